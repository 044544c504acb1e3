import { UsageError } from './errors.ts';
import { quote } from './values.ts';

/** Controllers that `--disk` can put a disk on. */
export const DISK_BUSES = ['ide', 'ahci', 'virtio', 'scsi', 'nvme'] as const;
/** What a disk is connected to, by the word that asks for it. */
export type DiskBus = (typeof DISK_BUSES)[number];

/** What `--disk` asks for. */
export interface DiskOption {
  readonly option: '--disk';
  readonly path: string;
  /** The image's format; without one it is told by the content. */
  readonly format?: string;
  readonly bus: DiskBus;
  readonly readOnly: boolean;
  /** Where writes go instead of the image: nowhere that lasts, or a file. */
  readonly overlay?: 'temporary' | { readonly path: string };
}

/** What `--cdrom` asks for. */
export interface CdOption {
  readonly option: '--cdrom';
  readonly path: string;
  readonly bus: 'ide' | 'scsi';
}

const CD_BUSES = ['ide', 'scsi'] as const;
const EXPECTED = 'FILE[,format=FORMAT][,bus=BUS][,readonly][,overlay[=FILE]]';
const DEFAULT_BUS: DiskBus = 'ide';

/** Reads `FILE[,format=…][,bus=…][,readonly][,overlay[=FILE]]`; a comma inside a file name is written twice.
 * @throws {UsageError} a word is unknown, a value wrong, or the file's name missing */
export function parseDisk(text: string): DiskOption {
  const [path = '', ...words] = splitAtCommas(text);
  if (path === '') throw new UsageError('--disk', quote(text), EXPECTED);
  const disk: DiskOption = { option: '--disk', path, bus: DEFAULT_BUS, readOnly: false };
  return Object.assign(disk, ...words.map(readWord));
}

/** Reads `FILE[,bus=ide|scsi]`; other commas belong to the file's name. @throws {UsageError} there is no such bus */
export function parseCd(text: string): CdOption {
  const [, path = text, bus = 'ide'] = /^(.*),bus=([^,]*)$/s.exec(text) ?? [];
  const found = CD_BUSES.find((candidate) => candidate === bus);
  if (found === undefined) throw new UsageError('--cdrom', quote(`bus=${bus}`), `bus=${CD_BUSES.join(', ')}`);
  return { option: '--cdrom', path, bus: found };
}

function readWord(word: string): Partial<DiskOption> {
  const [, name, value] = /^([^=]*)(?:=(.*))?$/s.exec(word) ?? [];
  switch (name) {
    case 'format':
      if (value) return { format: value };
      break;
    case 'bus':
      return { bus: readBus(value ?? '') };
    case 'readonly':
      if (value === undefined) return { readOnly: true };
      break;
    case 'overlay':
      if (value !== '') return { overlay: value === undefined ? 'temporary' : { path: value } };
      break;
  }
  throw new UsageError('--disk', quote(word), EXPECTED);
}

function readBus(value: string): DiskBus {
  const bus = DISK_BUSES.find((candidate) => candidate === value);
  if (bus === undefined) throw new UsageError('--disk', quote(`bus=${value}`), `bus=${DISK_BUSES.join(', ')}`);
  return bus;
}

/** Cuts at single commas; two of them stand for one in the text, which as an option never holds a NUL. */
function splitAtCommas(text: string): string[] {
  const parts = text.replaceAll(',,', '\0').split(',');
  return parts.map((part) => part.replaceAll('\0', ','));
}
