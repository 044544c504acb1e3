import { copyDisk } from '../../disk/copy.ts';
import { CREATORS, creatableFormat, createImage, createTarget, type NewImage, size } from '../../disk/create.ts';
import { DiskImage } from '../../disk/disk-image.ts';
import type { BackingReference } from '../../disk/interfaces.ts';
import { openDriver } from '../../disk/open.ts';
import { commitImage, rebaseImage } from '../../disk/relink.ts';
import { nodeDiskHost } from '../../host/node/disk-host.ts';
import { CliError, STATUS } from '../errors.ts';
import { type OutputOptions, say, withProgress } from './output.ts';

/** Options of a new image. */
interface FormatOptions extends OutputOptions {
  /** `name=value`, separated by commas; may be given more than once. */
  readonly options?: readonly string[];
}

/** What `create` is told besides file and size. */
export interface CreateOptions extends FormatOptions {
  readonly format?: string;
  readonly backing?: string;
  readonly backingFormat?: string;
}

/** `vitrine image create`. */
export async function create(file: string, sizeText: string | undefined, options: CreateOptions): Promise<number> {
  const format = creatableFormat(options.format ?? 'raw');
  const {
    backing_file: given = options.backing,
    backing_fmt: givenFormat = options.backingFormat,
    size: sizeOption,
    ...rest
  } = parseOptions(options.options);
  const backing = given === undefined || given === '' ? undefined : backingOf(given, givenFormat);
  const asked = sizeText ?? sizeOption;
  if (asked === undefined && backing === undefined)
    throw new CliError(STATUS.failed, 'Image creation needs a size parameter');
  const below = backing && (await backingSize(file, backing));
  const sizeBytes = roundUp(asked === undefined ? (below ?? 0) : size(asked));
  const image: NewImage = { format, sizeBytes, backing, options: rest };
  if (!options.quiet) say(describeNew(file, image));
  await createImage(file, image, nodeDiskHost);
  return 0;
}

function backingOf(name: string, format: string | undefined): BackingReference {
  if (format === undefined) {
    throw new CliError(
      STATUS.failed,
      `Backing file specified without backing format: name the format of ${name} with -F`,
    );
  }
  return { name, format };
}

async function backingSize(file: string, backing: BackingReference): Promise<number> {
  const name = nodeDiskHost.files.resolve(file, backing.name);
  const driver = await openDriver(name, { format: backing.format, readOnly: true }, nodeDiskHost);
  await driver.close();
  return driver.sizeBytes;
}

/** The line that qemu-img prints about an image it makes. */
function describeNew(file: string, { format, sizeBytes, backing, options = {} }: NewImage): string {
  const { preallocation: _preallocation, ...defaults } = CREATORS[format]?.options ?? {};
  const words = Object.entries({ ...defaults, ...options }).map(([name, value]) => `${name}=${value}`);
  const below = backing ? [`backing_file=${backing.name}`, `backing_fmt=${backing.format}`] : [];
  return [`Formatting '${file}',`, `fmt=${format}`, ...words, `size=${sizeBytes}`, ...below].join(' ');
}

function parseOptions(texts: readonly string[] = []): Record<string, string> {
  const pairs = texts.flatMap((text) => text.split(',')).map((pair) => pair.split('='));
  return Object.fromEntries(pairs.map(([name = '', ...value]) => [name, value.length === 0 ? 'on' : value.join('=')]));
}

function roundUp(bytes: number): number {
  return Math.ceil(bytes / 512) * 512;
}

/** What `convert` is told besides the files. */
export interface ConvertOptions extends FormatOptions {
  readonly format?: string;
  readonly outputFormat?: string;
  readonly backing?: string;
  readonly backingFormat?: string;
  readonly compress?: boolean;
  readonly progress?: boolean;
  /** False when the target is there already. */
  readonly create: boolean;
  readonly sparse?: string;
  readonly snapshot?: string;
  readonly forceShare?: boolean;
}

/** `vitrine image convert`. */
export async function convert(source: string, target: string, options: ConvertOptions): Promise<number> {
  const { format, forceShare: shared, snapshot } = options;
  const from = await openDriver(source, { format, readOnly: true, shared, snapshot }, nodeDiskHost);
  try {
    await convertTo(target, from, options);
  } finally {
    await from.close();
  }
  return 0;
}

async function convertTo(
  target: string,
  from: Awaited<ReturnType<typeof openDriver>>,
  options: ConvertOptions,
): Promise<void> {
  const format = creatableFormat(options.outputFormat ?? 'raw');
  const {
    backing_file: backingName = options.backing,
    backing_fmt: backingFormat = options.backingFormat,
    ...rest
  } = parseOptions(options.options);
  const backing = backingName === undefined ? undefined : backingOf(backingName, backingFormat);
  const image: NewImage = { format, sizeBytes: roundUp(from.sizeBytes), backing, options: rest };
  if (options.compress && format !== 'qcow2' && rest.subformat !== 'streamOptimized') {
    throw new CliError(STATUS.failed, 'Compression not supported for this file format');
  }
  const to = options.create
    ? await createTarget(target, image, nodeDiskHost)
    : await openDriver(target, { format }, nodeDiskHost);
  try {
    if (to.sizeBytes < from.sizeBytes) throw new CliError(STATUS.failed, 'the target is smaller than the source');
    const sparseBytes = options.sparse === undefined ? 4096 : roundUp(size(options.sparse));
    const targetIsZero = options.create && backing === undefined;
    await withProgress('converting', options.progress, (progress) =>
      copyDisk(from, to, { compress: options.compress, sparseBytes, targetIsZero, progress }),
    );
  } finally {
    await to.close();
  }
}

/** What `resize` is told besides file and size. */
export interface ResizeOptions extends OutputOptions {
  readonly format?: string;
  readonly shrink?: boolean;
}

/** `vitrine image resize`. @param change a size, or one to add or take away: `+5G`, `-512M` */
export async function resize(file: string, change: string, options: ResizeOptions): Promise<number> {
  const disk = new DiskImage(await openDriver(file, { format: options.format }, nodeDiskHost));
  try {
    const [sign] = /^[+-]/.exec(change) ?? [''];
    const given = size(change.slice(sign.length));
    const target = roundUp(sign === '' ? given : disk.driver.sizeBytes + (sign === '+' ? given : -given));
    if (target <= 0) throw new CliError(STATUS.failed, 'New image size must be positive');
    if (target < disk.driver.sizeBytes && !options.shrink) {
      throw new CliError(
        STATUS.failed,
        'Use the --shrink option to perform a shrink operation: what lies behind the new end is lost',
      );
    }
    await disk.resize(target);
    if (!options.quiet) say('Image resized.');
    return 0;
  } finally {
    await disk.close();
  }
}

/** What `commit` is told besides the file. */
export interface CommitOptions extends OutputOptions {
  readonly format?: string;
  readonly progress?: boolean;
  /** The image stays as it is. */
  readonly keep?: boolean;
}

/** `vitrine image commit`. */
export async function commit(file: string, options: CommitOptions): Promise<number> {
  const { format, keep = false } = options;
  await withProgress('committing', options.progress, (progress) =>
    commitImage(file, { format, keep }, nodeDiskHost, progress),
  );
  if (!options.quiet) say('Image committed.');
  return 0;
}

/** What `rebase` is told besides the file. */
export interface RebaseOptions extends OutputOptions {
  readonly format?: string;
  /** Empty for none. */
  readonly backing: string;
  readonly backingFormat?: string;
  readonly unsafe?: boolean;
  readonly progress?: boolean;
}

/** `vitrine image rebase`. */
export async function rebase(file: string, options: RebaseOptions): Promise<number> {
  const backing = options.backing === '' ? undefined : backingOf(options.backing, options.backingFormat);
  const { format, unsafe = false } = options;
  await withProgress('rebasing', options.progress, (progress) =>
    rebaseImage(file, { format, backing, unsafe }, nodeDiskHost, progress),
  );
  return 0;
}
