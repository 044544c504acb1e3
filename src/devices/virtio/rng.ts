import { requireVersion } from '../../base/state-version.ts';
import type { DeviceState } from '../../machine/interfaces.ts';
import { VIRTIO_TYPE, type VirtioDevice, type VirtioPort } from './virtio-device.ts';

const STATE_VERSION = 1;
/** The most bytes a buffer is given at once: a driver that wants more asks again. */
const MOST_BYTES = 1 << 16;

/** The entropy device (virtio 1.2 section 5.4): fills every buffer with random bytes. */
export class VirtioRng implements VirtioDevice {
  readonly type = VIRTIO_TYPE.entropy;
  readonly features = 0n;
  readonly queueSizes = [8];
  readonly config = new Uint8Array(0);
  readonly #fill: (target: Uint8Array) => void;
  #port: VirtioPort | undefined;

  /** @param fill fills bytes with random ones */
  constructor(fill: (target: Uint8Array) => void) {
    this.#fill = fill;
  }

  connect(port: VirtioPort): void {
    this.#port = port;
  }

  notify(index: number): void {
    const queue = this.#port?.queues[index];
    for (let chain = queue?.pop(); chain; chain = queue?.pop()) {
      const bytes = new Uint8Array(Math.min(chain.writableBytes, MOST_BYTES));
      this.#fill(bytes);
      queue?.complete(chain, chain.write(0, bytes));
    }
  }

  save(): DeviceState {
    return { version: STATE_VERSION };
  }

  restore(state: DeviceState): void {
    requireVersion('VirtioRng', state.version, STATE_VERSION);
  }
}
