import { requireVersion } from '../../../base/state-version.ts';
import type { DeviceState } from '../../../machine/interfaces.ts';
import { VIRTIO_TYPE, type VirtioDevice, type VirtioPort } from '../virtio-device.ts';
import type { NinepServer } from './server.ts';

const F_MOUNT_TAG = 1n;
const STATE_VERSION = 1;
/** A request that is longer than any agreed on. */
const MOST_REQUEST_BYTES = 1 << 20;

/** The 9P transport (Linux, net/9p/trans_virtio.c): a chain holds a request and the room for its answer. */
export class VirtioNinep implements VirtioDevice {
  readonly type = VIRTIO_TYPE.ninep;
  readonly features = F_MOUNT_TAG;
  readonly queueSizes = [128];
  readonly config: Uint8Array;
  readonly #server: NinepServer;
  #port: VirtioPort | undefined;

  /** @param tag what the guest mounts the folder by: ASCII */
  constructor(server: NinepServer, tag: string) {
    this.#server = server;
    const name = new TextEncoder().encode(tag);
    this.config = Uint8Array.from([name.length & 0xff, name.length >> 8, ...name]);
  }

  connect(port: VirtioPort): void {
    this.#port = port;
  }

  notify(): void {
    const queue = this.#port?.queues[0];
    for (let chain = queue?.pop(); chain; chain = queue?.pop()) {
      const answer = this.#server.answer(chain.readBytes(0, MOST_REQUEST_BYTES), chain.writableBytes);
      queue?.complete(chain, chain.write(0, answer));
    }
  }

  save(): DeviceState {
    return { version: STATE_VERSION, server: this.#server.save() };
  }

  restore(state: DeviceState): void {
    requireVersion('VirtioNinep', state.version, STATE_VERSION);
    this.#server.restore(state.server as DeviceState);
  }
}
