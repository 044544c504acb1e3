import type { PageAccess } from '../../machine/guest-memory.ts';
import type { Device, GuestMemory } from '../../machine/interfaces.ts';

/** Where the memory lies that the host bridge shadows: the ISA bus's expansion and BIOS area. */
export const SHADOW_GPA = 0xc0000;
export const SHADOW_BYTES = 0x40000;

/** Attributes of an area (Intel 82441FX data sheet, section 3.2.18): where reads and writes go, to RAM or to the ISA bus. */
export const SHADOW_READ_RAM = 1;
export const SHADOW_WRITE_RAM = 2;

const AREA_BYTES = 0x4000;

/** Says how the processor reaches RAM from now on. */
export type SetPageAccess = (gpa: number, length: number, access: PageAccess) => void;

/**
 * The RAM behind C0000h to FFFFFh, which the host bridge puts in the place of ROM area by area. The processor reaches it
 * directly where reads go to RAM; all other accesses come here. State lies in the bridge's registers.
 */
export class ShadowRam implements Pick<Device, 'read' | 'write'> {
  readonly #memory: GuestMemory;
  readonly #isa: Pick<Device, 'read' | 'write'>;
  readonly #setAccess: SetPageAccess;
  readonly #attributes = new Uint8Array(SHADOW_BYTES / AREA_BYTES);

  /** @param isa what answers where an area is not shadowed; offsets are from C0000h */
  constructor(memory: GuestMemory, isa: Pick<Device, 'read' | 'write'>, setAccess: SetPageAccess) {
    this.#memory = memory;
    this.#isa = isa;
    this.#setAccess = setAccess;
  }

  /** Sets where reads and writes of a range go. @param gpa a multiple of 16 KiB, as `length` */
  setAttributes(gpa: number, length: number, attributes: number): void {
    const first = (gpa - SHADOW_GPA) / AREA_BYTES;
    this.#attributes.fill(attributes, first, first + length / AREA_BYTES);
    const readable = (attributes & SHADOW_READ_RAM) !== 0;
    const writable = (attributes & SHADOW_WRITE_RAM) !== 0;
    this.#setAccess(gpa, length, readable ? (writable ? 'ram' : 'readOnly') : 'device');
  }

  read(offset: number, size: number): number {
    if (!(this.#attributesAt(offset) & SHADOW_READ_RAM)) return this.#isa.read(offset, size);
    const bytes = this.#memory.forRead(SHADOW_GPA + offset, size);
    return bytes.reduceRight((value, byte) => value * 0x100 + byte, 0);
  }

  write(offset: number, size: number, value: number): void {
    if (!(this.#attributesAt(offset) & SHADOW_WRITE_RAM)) {
      this.#isa.write(offset, size, value);
      return;
    }
    const bytes = this.#memory.forWrite(SHADOW_GPA + offset, size);
    for (let i = 0; i < size; i++) bytes[i] = value >>> (i * 8);
  }

  #attributesAt(offset: number): number {
    return this.#attributes[Math.floor(offset / AREA_BYTES)];
  }
}
