import { requireVersion } from '../../base/state-version.ts';
import type { AudioVoice, Device, DeviceState } from '../../machine/interfaces.ts';
import { PciCard, PciConfigSpace } from '../../machine/pci.ts';
import type { PciSlot } from '../../machine/pci-slot.ts';
import { AudioBusMaster, BUS_MASTER_BYTES, type BusMasterWiring } from './bus-master.ts';
import { Ac97Codec, STANDARD_RATE_HZ } from './codec.ts';

/** Registers behind those of the bus masters (Intel 82801AA data sheet, section 13.2). */
const REG = { globCnt: 0x2c, globSta: 0x30, cas: 0x34 } as const;
const MIXER_PORTS = 256;
const BUS_MASTER_PORTS = 64;
const GLOB_CNT_WRITABLE = 0x3b;
const GLOB_CNT_COLD_RESET = 0x02;
/** S0CR: the primary codec is ready. */
const GLOB_STA_READY = 0x100;
/** PIINT, POINT, MINT: interrupts of the bus masters, in their order. */
const GLOB_STA_FIRST_INTERRUPT = 0x20;
const STATE_VERSION = 1;

/**
 * The AC'97 controller of Intel's 82801AA with a codec: PCM in, PCM out and microphone, each with a ring of buffers in
 * memory. What is recorded is silence.
 */
export class Ac97 extends PciCard {
  protected override readonly config: PciConfigSpace;
  readonly #codec: Ac97Codec;
  /** PCM in, PCM out, microphone. */
  readonly #masters: readonly AudioBusMaster[];
  #globCnt = 0;
  /** CAS: whether somebody is using the codec. */
  #semaphore = 0;

  /** @param voice where it plays; absent: nobody hears it */
  constructor(voice: AudioVoice | undefined, slot: PciSlot) {
    super();
    const codec = new Ac97Codec(() => this.#ratesChanged());
    this.#codec = codec;
    const master = (wiring: Pick<BusMasterWiring, 'kind' | 'channels' | 'rateHz' | 'voice'>) =>
      new AudioBusMaster({
        ...wiring,
        clock: slot.clock,
        memory: slot.memory,
        pageIn: (gpa) => slot.pageIn(gpa),
        factors: () => codec.pcmFactors,
        mayMaster: () => this.config.busMaster,
        interruptChanged: () => this.config.interrupt(this.#masters.some(({ interrupt }) => interrupt)),
      });
    this.#masters = [
      master({ kind: 'record', channels: 2, rateHz: () => codec.adcRateHz }),
      master({ kind: 'play', channels: 2, rateHz: () => codec.dacRateHz, voice }),
      master({ kind: 'record', channels: 1, rateHz: () => STANDARD_RATE_HZ }),
    ];
    const bar = (index: number, length: number, device: Pick<Device, 'read' | 'write'>, name: string) =>
      ({ index, kind: 'io', length, window: slot.window('io', length, device, name) }) as const;
    this.config = new PciConfigSpace(
      {
        vendor: 0x8086,
        device: 0x2415,
        revision: 1,
        classCode: 0x040100,
        subsystemVendor: 0x8086,
        subsystem: 0x2415,
        interruptPin: 1,
        bars: [
          bar(0, MIXER_PORTS, this.#mixerPorts, 'ac97Mixer'),
          bar(1, BUS_MASTER_PORTS, this.#busMasterPorts, 'ac97BusMaster'),
        ],
      },
      slot.interrupt,
    );
  }

  save(): DeviceState {
    return {
      version: STATE_VERSION,
      config: this.config.save(),
      codec: this.#codec.save(),
      masters: this.#masters.map((master) => master.save()),
      globCnt: this.#globCnt,
      semaphore: this.#semaphore,
    };
  }

  restore(state: DeviceState): void {
    requireVersion('Ac97', state.version, STATE_VERSION);
    this.config.restore(state.config as DeviceState);
    this.#codec.restore(state.codec as DeviceState);
    for (const [n, master] of (state.masters as readonly DeviceState[]).entries()) this.#masters[n].restore(master);
    this.#globCnt = Number(state.globCnt);
    this.#semaphore = Number(state.semaphore);
  }

  /** The codec's registers: words. Any access ends the use of the codec that the semaphore tells of. */
  get #mixerPorts(): Pick<Device, 'read' | 'write'> {
    return {
      read: (offset, size) => {
        this.#semaphore = 0;
        const word = this.#codec.read(offset & ~1);
        if (size === 1) return offset & 1 ? word >> 8 : word & 0xff;
        return size === 2 ? word : (word | (this.#codec.read(offset + 2) << 16)) >>> 0;
      },
      write: (offset, size, value) => {
        this.#semaphore = 0;
        if (size > 1) this.#codec.write(offset, value & 0xffff);
        if (size === 4) this.#codec.write(offset + 2, value >>> 16);
      },
    };
  }

  get #busMasterPorts(): Pick<Device, 'read' | 'write'> {
    return {
      read: (offset, size) => {
        const bytes = this.#registers();
        if (offset === REG.cas) this.#semaphore = 1;
        return littleEndian(bytes.subarray(offset, offset + size));
      },
      write: (offset, size, value) => {
        for (let i = 0; i < size; i++) this.#writeByte(offset + i, (value >>> (i * 8)) & 0xff);
      },
    };
  }

  #registers(): Uint8Array {
    const bytes = new Uint8Array(BUS_MASTER_PORTS);
    for (const [n, master] of this.#masters.entries()) bytes.set(master.registers(), n * BUS_MASTER_BYTES);
    const view = new DataView(bytes.buffer);
    view.setUint32(REG.globCnt, this.#globCnt, true);
    view.setUint32(REG.globSta, this.#status, true);
    bytes[REG.cas] = this.#semaphore;
    return bytes;
  }

  get #status(): number {
    const ready = this.#globCnt & GLOB_CNT_COLD_RESET ? GLOB_STA_READY : 0;
    return this.#masters.reduce(
      (status, { interrupt }, n) => (interrupt ? status | (GLOB_STA_FIRST_INTERRUPT << n) : status),
      ready,
    );
  }

  #writeByte(offset: number, byte: number): void {
    const master = this.#masters[Math.floor(offset / BUS_MASTER_BYTES)];
    if (master && offset < REG.globCnt) master.writeByte(offset % BUS_MASTER_BYTES, byte);
    else if (offset === REG.globCnt) this.#writeGlobalControl(byte & GLOB_CNT_WRITABLE);
  }

  /** AC_RESET# is low while the cold reset bit is clear. */
  #writeGlobalControl(value: number): void {
    const resets = (this.#globCnt & GLOB_CNT_COLD_RESET) !== 0 && !(value & GLOB_CNT_COLD_RESET);
    this.#globCnt = value;
    if (!resets) return;
    this.#codec.reset();
    for (const master of this.#masters) master.reset();
    this.config.interrupt(false);
  }

  #ratesChanged(): void {
    for (const master of this.#masters) master.rateChanged();
  }
}

function littleEndian(bytes: Uint8Array): number {
  return bytes.reduceRight((value, byte) => value * 0x100 + byte, 0);
}
