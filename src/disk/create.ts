import {
  type BackingReference,
  type DiskHost,
  type ImageDriver,
  type ImageFile,
  RequestRefused,
} from './interfaces.ts';
import { openDriver } from './open.ts';
import { createQcow2, type Qcow2Options } from './qcow2/create.ts';
import { createVdi } from './vdi.ts';
import { createVhd } from './vhd.ts';
import { createVhdx } from './vhdx/vhdx.ts';
import { createVmdk, openStreamWriter, type VmdkKind } from './vmdk/vmdk.ts';

/** A new image. */
export interface NewImage {
  readonly format: string;
  readonly sizeBytes: number;
  readonly backing?: BackingReference;
  /** Options of the format under qemu-img's names, as `cluster_size`. */
  readonly options?: Readonly<Record<string, string>>;
}

type Create = (file: ImageFile, image: NewImage, host: DiskHost) => Promise<void>;

const SIZE_UNITS = 'kmgt';

/** The formats that can be made, and the options each of them takes with what they are when not given. */
export const CREATORS: Readonly<
  Record<string, { readonly options: Readonly<Record<string, string>>; readonly create: Create }>
> = {
  raw: { options: { preallocation: 'off' }, create: async (file, { sizeBytes }) => resized(file, sizeBytes) },
  qcow2: {
    options: {
      cluster_size: '65536',
      extended_l2: 'off',
      compression_type: 'zlib',
      compat: '1.1',
      lazy_refcounts: 'off',
      refcount_bits: '16',
      preallocation: 'off',
    },
    create: (file, image, host) => createQcow2(file, qcow2Options(image), host),
  },
  vmdk: {
    options: { subformat: 'monolithicSparse' },
    create: (file, image, host) =>
      createVmdk(file, { sizeBytes: image.sizeBytes, kind: word(image, 'subformat', VMDK_KINDS) }, host),
  },
  vdi: {
    options: { static: 'off' },
    create: (file, image, host) => createVdi(file, { sizeBytes: image.sizeBytes, fixed: isOn(image, 'static') }, host),
  },
  vpc: {
    options: { subformat: 'dynamic', force_size: 'on' },
    create: (file, image, host) => {
      const fixed = word(image, 'subformat', ['dynamic', 'fixed'] as const) === 'fixed';
      return createVhd(file, { sizeBytes: image.sizeBytes, fixed }, host);
    },
  },
  vhdx: {
    options: { subformat: 'dynamic', block_size: '0' },
    create: (file, image, host) => {
      const fixed = word(image, 'subformat', ['dynamic', 'fixed'] as const) === 'fixed';
      const blockBytes = size(image.options?.block_size ?? '0');
      return createVhdx(file, { sizeBytes: image.sizeBytes, blockBytes, fixed }, host);
    },
  },
};

const VMDK_KINDS: readonly VmdkKind[] = ['monolithicSparse', 'monolithicFlat', 'streamOptimized'];

/** The name under which a format that can be made is known. @throws {RequestRefused} there is none */
export function creatableFormat(format: string): string {
  const name = format === 'vhd' ? 'vpc' : format;
  if (CREATORS[name] !== undefined) return name;
  throw new RequestRefused(`found format ${format}, expected one of ${Object.keys(CREATORS).join(', ')}`);
}

/** Makes a new image, or a new one of a file that is there. @throws {DiskError} */
export async function createImage(name: string, image: NewImage, host: DiskHost): Promise<void> {
  const creator = CREATORS[creatableFormat(image.format)];
  if (creator === undefined) return;
  checkOptions(image, creator.options);
  if (image.backing !== undefined && image.format !== 'qcow2') {
    throw new RequestRefused(`images of format ${image.format} are not made with a backing file`);
  }
  const file = await host.files.create(name);
  await creator.create(file, image, host).finally(() => file.close());
}

/** Makes a new image and opens it to be written once, from beginning to end. @throws {DiskError} */
export async function createTarget(name: string, image: NewImage, host: DiskHost): Promise<ImageDriver> {
  if (image.format === 'vmdk' && image.options?.subformat === 'streamOptimized') {
    checkOptions(image, CREATORS.vmdk?.options ?? {});
    const file = await host.files.create(name);
    await file.truncate(0);
    return openStreamWriter(file, image.sizeBytes, host);
  }
  await createImage(name, image, host);
  return openDriver(name, { format: image.format }, host);
}

function checkOptions({ format, options = {} }: NewImage, known: Readonly<Record<string, string>>): void {
  for (const option of Object.keys(options)) {
    if (known[option] !== undefined) continue;
    throw new RequestRefused(
      `format ${format} has no option ${option}, expected one of ${Object.keys(known).join(', ')}`,
    );
  }
  for (const option of ['preallocation', 'extended_l2']) {
    const value = options[option];
    if (value !== undefined && value !== 'off')
      throw new RequestRefused(`${option}=${value} is not supported, expected off`);
  }
}

async function resized(file: ImageFile, sizeBytes: number): Promise<void> {
  await file.truncate(0);
  await file.truncate(sizeBytes);
}

function qcow2Options(image: NewImage): Qcow2Options {
  const { options = {} } = image;
  return {
    sizeBytes: image.sizeBytes,
    backing: image.backing,
    clusterBytes: size(options.cluster_size ?? '65536'),
    version: ['0.10', 'v2'].includes(word(image, 'compat', ['1.1', '0.10', 'v3', 'v2'])) ? 2 : 3,
    refcountBits: size(options.refcount_bits ?? '16'),
    compression: word(image, 'compression_type', ['zlib', 'zstd']),
    lazyRefcounts: isOn(image, 'lazy_refcounts'),
  };
}

function word<const Word extends string>({ options = {} }: NewImage, option: string, words: readonly Word[]): Word {
  const given = options[option];
  const found = given === undefined ? words[0] : words.find((one) => one === given);
  if (found === undefined) throw new RequestRefused(`${option}: found ${given}, expected ${words.join(' or ')}`);
  return found;
}

function isOn(image: NewImage, option: string): boolean {
  return word(image, option, ['off', 'on']) === 'on';
}

/** Bytes from a size such as `64k`. @throws {RequestRefused} */
export function size(text: string): number {
  const [, digits, unit = ''] = /^(\d+(?:\.\d+)?)([kmgt]?)i?b?$/i.exec(text) ?? [];
  const bytes = Number(digits) * 1024 ** (unit === '' ? 0 : SIZE_UNITS.indexOf(unit.toLowerCase()) + 1);
  if (!Number.isSafeInteger(bytes))
    throw new RequestRefused(`found ${JSON.stringify(text)}, expected a size such as 512M`);
  return bytes;
}
