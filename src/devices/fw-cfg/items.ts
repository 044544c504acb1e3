import { ByteWriter } from '../../base/bytes.ts';

/** Keys of items with a fixed place (QEMU docs/specs/fw_cfg). */
export const FW_CFG_KEY = {
  signature: 0x00,
  id: 0x01,
  uuid: 0x02,
  ramSize: 0x03,
  noGraphic: 0x04,
  cpuCount: 0x05,
  machineId: 0x06,
  bootDevice: 0x0c,
  bootMenu: 0x0e,
  maxCpus: 0x0f,
  fileDirectory: 0x19,
  fileFirst: 0x20,
} as const;

const ID_TRADITIONAL = 1;
const ID_DMA = 2;
const FILE_NAME_BYTES = 56;
const ENTRY_BYTES = 64;
const MOST_FILES = 0x1000;

const NOTHING = new Uint8Array();

interface NamedFile {
  readonly name: string;
  readonly key: number;
  bytes: Uint8Array;
}

/** What firmware can read: items by key and files by name (QEMU docs/specs/fw_cfg). They are configuration, not state. */
export class FwCfgItems {
  readonly #items = new Map<number, Uint8Array>();
  readonly #files: NamedFile[] = [];

  constructor() {
    this.addItem(FW_CFG_KEY.signature, new ByteWriter().text('QEMU').finish());
    this.addItem(FW_CFG_KEY.id, new ByteWriter().u32(ID_TRADITIONAL | ID_DMA).finish());
    this.addItem(FW_CFG_KEY.fileDirectory, directory([]));
  }

  /** Sets the item of a key. */
  addItem(key: number, bytes: Uint8Array): void {
    this.#items.set(key, bytes);
  }

  /** Adds a named file, or replaces its content. @throws {RangeError} when name or number of files is too great */
  addFile(name: string, bytes: Uint8Array): void {
    if (name.length >= FILE_NAME_BYTES || this.#files.length >= MOST_FILES) {
      throw new RangeError(`fw_cfg has no room for a file named ${name}`);
    }
    const old = this.#files.find((file) => file.name === name);
    const key = old?.key ?? FW_CFG_KEY.fileFirst + this.#files.length;
    if (old) old.bytes = bytes;
    else this.#files.push({ name, key, bytes });
    this.addItem(key, bytes);
    this.addItem(FW_CFG_KEY.fileDirectory, directory(this.#files));
  }

  /** The content of a key; nothing for an unknown one. */
  item(key: number): Uint8Array {
    return this.#items.get(key) ?? NOTHING;
  }
}

/** The file directory: a count, then size, key and name of each file, numbers big-endian. */
function directory(files: readonly NamedFile[]): Uint8Array {
  const bytes = new Uint8Array(4 + files.length * ENTRY_BYTES);
  const view = new DataView(bytes.buffer);
  view.setUint32(0, files.length);
  files.forEach((file, i) => {
    const entry = 4 + i * ENTRY_BYTES;
    view.setUint32(entry, file.bytes.length);
    view.setUint16(entry + 4, file.key);
    bytes.set(new ByteWriter().text(file.name).finish(), entry + 8);
  });
  return bytes;
}
