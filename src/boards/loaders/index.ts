import { OutOfData } from '../../base/bytes.ts';
import { type BootImage, BootImageInvalid, type BootOptions } from './boot-image.ts';
import { isLinux, loadLinux } from './linux.ts';
import { isMultiboot, loadMultiboot } from './multiboot.ts';

export { type BootImage, BootImageInvalid, type BootOptions, type CpuStart, writeBootImage } from './boot-image.ts';

/** Loads a kernel of a kind told by its content. @throws {BootImageInvalid} with one line that says what is wrong */
export function loadKernel(options: BootOptions): BootImage {
  const { kernel } = options;
  if (kernel.length === 0) throw new BootImageInvalid('the kernel file is empty');
  try {
    if (isLinux(kernel)) return loadLinux(options);
    if (isMultiboot(kernel)) return loadMultiboot(options);
  } catch (error) {
    if (error instanceof OutOfData) throw new BootImageInvalid(`the kernel is truncated: ${error.message}`);
    throw error;
  }
  const size = `${kernel.length} bytes`;
  throw new BootImageInvalid(`the kernel is neither a Linux bzImage nor a multiboot kernel (${size})`);
}
