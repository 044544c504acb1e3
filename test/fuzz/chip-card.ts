import { IsaDma } from '../../src/devices/dma8237/isa-dma.ts';
import { ParallelPort } from '../../src/devices/parallel-port/parallel-port.ts';
import { PcSpeaker } from '../../src/devices/pit8254/pc-speaker.ts';
import { Pit8254 } from '../../src/devices/pit8254/pit8254.ts';
import { SystemControlPortB } from '../../src/devices/pit8254/system-control-port-b.ts';
import { SB16_PORTS, Sb16 } from '../../src/devices/sb16/sb16.ts';
import type { AudioVoice, Device, DeviceState } from '../../src/machine/interfaces.ts';
import { PciConfigSpace, type PciFunction } from '../../src/machine/pci.ts';
import type { PciSlot } from '../../src/machine/pci-slot.ts';

const DMA_BYTES_PORTS = 16;
const DMA_WORDS_PORTS = 32;
const DMA_PAGES_PORTS = 16;
const PIT_PORTS = 4;
const PORT_B_PORTS = 4;

/** Checks that what a chip plays is sound. */
export const FUZZED_VOICE: AudioVoice = {
  play(samples, rateHz) {
    if (samples.length % 2 !== 0 || !(rateHz > 0)) throw new Error(`${samples.length} samples at ${rateHz} Hz`);
  },
  stop() {},
};

/** A bank of registers that the fuzzer finds behind a base address register: so many ports, or bytes of memory. */
export interface Bank {
  readonly ports?: number;
  readonly bytes?: number;
  readonly device: Pick<Device, 'read' | 'write'>;
}

/** Chips without a place on the PCI bus as the fuzzer takes them: a card whose base address registers lead to theirs. */
export class ChipCard implements PciFunction {
  readonly #config: PciConfigSpace;
  readonly #chips: readonly Pick<Device, 'save' | 'restore'>[];

  constructor(slot: PciSlot, chips: readonly Pick<Device, 'save' | 'restore'>[], banks: readonly Bank[]) {
    this.#chips = chips;
    const bars = banks.map(({ ports, bytes, device }, index) => {
      const kind = ports === undefined ? 'memory32' : 'io';
      const length = ports ?? bytes ?? 0;
      return { index, kind, length, window: slot.window(kind, length, device, 'chip') } as const;
    });
    this.#config = new PciConfigSpace({ vendor: 1, device: 1, revision: 0, classCode: 0, bars });
  }

  readConfig(offset: number, size: number): number {
    return this.#config.readConfig(offset, size);
  }

  writeConfig(offset: number, size: number, value: number): void {
    this.#config.writeConfig(offset, size, value);
  }

  save(): DeviceState {
    return { version: 1, config: this.#config.save(), chips: this.#chips.map((chip) => chip.save()) };
  }

  restore(state: DeviceState): void {
    this.#config.restore(state.config as DeviceState);
    for (const [n, saved] of (state.chips as readonly DeviceState[]).entries()) this.#chips[n].restore(saved);
  }
}

/** A Sound Blaster 16 and the DMA controllers behind it. */
export function makeSb16(slot: PciSlot): PciFunction {
  const dma = new IsaDma(slot.memory);
  const card = new Sb16({
    clock: slot.clock,
    hostWork: slot.hostWork,
    channels: [dma.channel(1), dma.channel(5)],
    voice: () => FUZZED_VOICE,
    irq: slot.interrupt,
    jumpers: { interruptSetup: 2, dmaSetup: 0x22 },
  });
  return new ChipCard(
    slot,
    [card, dma],
    [
      { ports: SB16_PORTS, device: card },
      { ports: DMA_BYTES_PORTS, device: dma.bytes },
      { ports: DMA_WORDS_PORTS, device: dma.words },
      { ports: DMA_PAGES_PORTS, device: dma.pages },
    ],
  );
}

/** A parallel port. */
export function makeParallelPort(slot: PciSlot): PciFunction {
  const port = new ParallelPort(slot.interrupt, () => {});
  return new ChipCard(slot, [port], [{ ports: 4, device: port }]);
}

/** The timer with the speaker behind it. */
export function makeSpeaker(slot: PciSlot): PciFunction {
  const pit = new Pit8254(slot.clock, slot.interrupt);
  const portB = new SystemControlPortB(slot.clock, pit, new PcSpeaker(slot.clock, pit, FUZZED_VOICE));
  return new ChipCard(
    slot,
    [pit, portB],
    [
      { ports: PIT_PORTS, device: pit },
      { ports: PORT_B_PORTS, device: portB },
    ],
  );
}
