import { WavFile } from '../host/node/wav-file.ts';
import type { OutsideEnding } from './endings.ts';
import { CliError, STATUS } from './errors.ts';
import type { FileOption } from './run-options.ts';
import { quote } from './values.ts';

/** Makes the file that gets the guest's sound; the machine ends when it can no longer be written.
 * @throws {CliError} it cannot be made */
export function openWavFile({ option, path }: FileOption, outside: OutsideEnding): WavFile {
  const says = (error: Error) => `${option}: found ${quote(path)}, ${error.message}, expected a file to write`;
  try {
    return new WavFile(path, (error) => outside.end({ status: STATUS.failed, message: says(error) }));
  } catch (error) {
    throw new CliError(STATUS.failed, says(error as Error), { cause: error });
  }
}
