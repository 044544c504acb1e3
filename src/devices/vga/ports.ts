import type { Clock } from '../../machine/interfaces.ts';
import type { Dac } from './dac.ts';
import {
  ATTR,
  ATTR_COUNT,
  ATTR_PALETTE_SHOWN,
  CRTC,
  CRTC_COUNT,
  CRTC_PROTECT,
  GFX_WRITABLE,
  MISC_COLOR_ADDRESSES,
  OVERFLOW_LINE_COMPARE_8,
  SEQ_WRITABLE,
  type VgaRegisters,
} from './registers.ts';
import { retraceStatus } from './retrace.ts';

/** Ports as offsets from 3B0h. */
const PORT = {
  monochromeCrtcIndex: 0x04,
  monochromeCrtcData: 0x05,
  monochromeStatus1: 0x0a,
  attribute: 0x10,
  attributeRead: 0x11,
  misc: 0x12,
  enable: 0x13,
  sequencerIndex: 0x14,
  sequencerData: 0x15,
  dacMask: 0x16,
  dacRead: 0x17,
  dacWrite: 0x18,
  dacData: 0x19,
  featureRead: 0x1a,
  miscRead: 0x1c,
  graphicsIndex: 0x1e,
  graphicsData: 0x1f,
  colorCrtcIndex: 0x24,
  colorCrtcData: 0x25,
  colorStatus1: 0x2a,
} as const;

/** The ports that are there in one of the two settings of MISC_COLOR_ADDRESSES only. */
const MONOCHROME_PORTS: readonly number[] = [PORT.monochromeCrtcIndex, PORT.monochromeCrtcData, PORT.monochromeStatus1];
const COLOR_PORTS: readonly number[] = [PORT.colorCrtcIndex, PORT.colorCrtcData, PORT.colorStatus1];

/** A monitor is connected. */
const STATUS_0 = 0x10;
const NOTHING = 0xff;
const PROTECTED_REGISTERS = 8;
const PALETTE_REGISTERS = 16;
const PALETTE_WRITABLE = 0x3f;

/** The ports of a VGA, 3B0h to 3DFh; offset 0 is 3B0h. */
export class VgaPorts {
  readonly #registers: VgaRegisters;
  readonly #dac: Dac;
  readonly #clock: Clock;

  constructor(registers: VgaRegisters, dac: Dac, clock: Clock) {
    this.#registers = registers;
    this.#dac = dac;
    this.#clock = clock;
  }

  read(offset: number, _size: number): number {
    if (this.#isElsewhere(offset)) return NOTHING;
    const r = this.#registers;
    switch (offset) {
      case PORT.attribute:
        return r.attributeIndex;
      case PORT.attributeRead:
        return r.attribute[r.attributeIndex & ~ATTR_PALETTE_SHOWN] ?? 0;
      case PORT.misc:
        return STATUS_0;
      case PORT.enable:
        return 1;
      case PORT.featureRead:
        return r.feature;
      case PORT.miscRead:
        return r.misc;
      case PORT.monochromeStatus1:
      case PORT.colorStatus1:
        r.attributeData = false;
        return retraceStatus(r, this.#clock);
      default:
        return this.#readIndexed(offset);
    }
  }

  write(offset: number, _size: number, value: number): void {
    if (this.#isElsewhere(offset)) return;
    const r = this.#registers;
    const byte = value & 0xff;
    switch (offset) {
      case PORT.attribute:
        this.#writeAttribute(byte);
        break;
      case PORT.misc:
        r.misc = byte;
        break;
      case PORT.monochromeStatus1:
      case PORT.colorStatus1:
        r.feature = byte & 3;
        break;
      default:
        this.#writeIndexed(offset, byte);
    }
  }

  #isElsewhere(offset: number): boolean {
    const absent = this.#registers.misc & MISC_COLOR_ADDRESSES ? MONOCHROME_PORTS : COLOR_PORTS;
    return absent.includes(offset);
  }

  #readIndexed(offset: number): number {
    const r = this.#registers;
    switch (offset) {
      case PORT.sequencerIndex:
        return r.sequencerIndex;
      case PORT.sequencerData:
        return r.sequencer[r.sequencerIndex] ?? 0;
      case PORT.graphicsIndex:
        return r.graphicsIndex;
      case PORT.graphicsData:
        return r.graphics[r.graphicsIndex] ?? 0;
      case PORT.monochromeCrtcIndex:
      case PORT.colorCrtcIndex:
        return r.crtcIndex;
      case PORT.monochromeCrtcData:
      case PORT.colorCrtcData:
        return r.crtc[r.crtcIndex] ?? 0;
      default:
        return this.#readDac(offset);
    }
  }

  #readDac(offset: number): number {
    switch (offset) {
      case PORT.dacMask:
        return this.#dac.mask;
      case PORT.dacRead:
        return this.#dac.state;
      case PORT.dacWrite:
        return this.#dac.writeIndex;
      case PORT.dacData:
        return this.#dac.readData();
      default:
        return NOTHING;
    }
  }

  #writeIndexed(offset: number, byte: number): void {
    const r = this.#registers;
    switch (offset) {
      case PORT.sequencerIndex:
        r.sequencerIndex = byte & 7;
        break;
      case PORT.sequencerData:
        if (r.sequencerIndex < SEQ_WRITABLE.length)
          r.sequencer[r.sequencerIndex] = byte & SEQ_WRITABLE[r.sequencerIndex];
        break;
      case PORT.graphicsIndex:
        r.graphicsIndex = byte & 0x0f;
        break;
      case PORT.graphicsData:
        if (r.graphicsIndex < GFX_WRITABLE.length) r.graphics[r.graphicsIndex] = byte & GFX_WRITABLE[r.graphicsIndex];
        break;
      case PORT.monochromeCrtcIndex:
      case PORT.colorCrtcIndex:
        r.crtcIndex = byte & 0x3f;
        break;
      case PORT.monochromeCrtcData:
      case PORT.colorCrtcData:
        this.#writeCrtc(byte);
        break;
      default:
        this.#writeDac(offset, byte);
    }
  }

  #writeDac(offset: number, byte: number): void {
    if (offset === PORT.dacMask) this.#dac.mask = byte;
    else if (offset === PORT.dacRead) this.#dac.startReading(byte);
    else if (offset === PORT.dacWrite) this.#dac.startWriting(byte);
    else if (offset === PORT.dacData) this.#dac.writeData(byte);
  }

  #writeCrtc(byte: number): void {
    const { crtc, crtcIndex } = this.#registers;
    if (crtcIndex >= CRTC_COUNT) return;
    const isProtected = crtcIndex < PROTECTED_REGISTERS && (crtc[CRTC.verticalRetraceEnd] & CRTC_PROTECT) !== 0;
    if (!isProtected) crtc[crtcIndex] = byte;
    else if (crtcIndex === CRTC.overflow) {
      crtc[crtcIndex] = (crtc[crtcIndex] & ~OVERFLOW_LINE_COMPARE_8) | (byte & OVERFLOW_LINE_COMPARE_8);
    }
  }

  /** One port takes index and data by turns. While the palette is shown its registers cannot be written. */
  #writeAttribute(byte: number): void {
    const r = this.#registers;
    r.attributeData = !r.attributeData;
    if (r.attributeData) {
      r.attributeIndex = byte & 0x3f;
      return;
    }
    const index = r.attributeIndex & ~ATTR_PALETTE_SHOWN;
    if (index >= ATTR_COUNT) return;
    if (index >= PALETTE_REGISTERS) r.attribute[index] = index === ATTR.planeEnable ? byte & 0x3f : byte;
    else if (!(r.attributeIndex & ATTR_PALETTE_SHOWN)) r.attribute[index] = byte & PALETTE_WRITABLE;
  }
}
