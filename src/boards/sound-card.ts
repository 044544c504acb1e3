import { SB16_PORTS, Sb16 } from '../devices/sb16/sb16.ts';
import { AudioMixer } from '../machine/audio-mixer.ts';
import type { PortBus } from '../machine/bus.ts';
import type { HostWork } from '../machine/host-work.ts';
import type { AudioSink, AudioVoice, Clock, IrqLine } from '../machine/interfaces.ts';
import type { IsaDmaChannel } from '../machine/isa-dma.ts';
import { PC_SB16 } from './pc-map.ts';

/** Sound cards that a machine can have. */
export const SOUND_MODELS = ['sb16', 'ac97'] as const;
/** A sound card, by the word that asks for it. */
export type SoundModel = (typeof SOUND_MODELS)[number];

/** What an ISA sound card is connected to. */
export interface IsaSlot {
  readonly clock: Clock;
  readonly hostWork: HostWork;
  readonly ports: PortBus;
  /** Makes the line of a chip that sounds; absent where nobody hears it. */
  readonly voice?: () => AudioVoice;
  /** A wire for an ISA interrupt. */
  irq(number: number): IrqLine;
  /** A channel of the DMA controllers. */
  dma(number: number): IsaDmaChannel;
}

/** Plugs a Sound Blaster 16 in, with its jumpers as they leave the factory. */
export function plugSb16({ clock, hostWork, ports, voice, irq, dma }: IsaSlot): Sb16 {
  const card = new Sb16({
    clock,
    hostWork,
    voice,
    irq: irq(PC_SB16.irq),
    channels: [dma(PC_SB16.dmaBytes), dma(PC_SB16.dmaWords)],
    jumpers: PC_SB16.jumpers,
  });
  ports.map(PC_SB16.port, SB16_PORTS, card, 'sb16', 1);
  return card;
}

/** What makes the lines of chips that sound; undefined where nobody hears them. */
export function voicesOf(sink: AudioSink | undefined): (() => AudioVoice) | undefined {
  if (sink === undefined) return undefined;
  const mixer = new AudioMixer(sink);
  return () => mixer.voice();
}
