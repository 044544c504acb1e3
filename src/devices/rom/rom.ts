import type { Device } from '../../machine/interfaces.ts';

/** A mask ROM: it answers reads and ignores writes. Its content belongs to the machine's configuration, not to its state. */
export class Rom implements Pick<Device, 'read' | 'write'> {
  readonly #view: DataView;

  constructor(content: Uint8Array) {
    this.#view = new DataView(content.buffer, content.byteOffset, content.byteLength);
  }

  /** Bytes of the chip. */
  get length(): number {
    return this.#view.byteLength;
  }

  read(offset: number, size: number): number {
    if (size === 1) return this.#view.getUint8(offset);
    return size === 2 ? this.#view.getUint16(offset, true) : this.#view.getUint32(offset, true);
  }

  write(): void {}
}
