import type { MemoryLayout } from '../cpu/memory-layout.ts';
import type { VcpuSet } from '../cpu/vcpu-set.ts';
import { PAGE_BYTES, PAGE_SCREEN } from '../machine/guest-memory.ts';
import type { VideoMemory } from '../machine/video-memory.ts';
import { PC_MEMORY } from './pc-map.ts';

/** Video memory beside guest RAM: guest code reaches it as it reaches RAM, and its first write to a page is seen. */
export class MappedVideoMemory implements VideoMemory {
  readonly #memory: WebAssembly.Memory;
  readonly #layout: MemoryLayout;
  readonly #vcpus: () => VcpuSet | undefined;
  #bytes: Uint8Array = new Uint8Array(0);
  #gpa: number | undefined;

  constructor(memory: WebAssembly.Memory, layout: MemoryLayout, vcpus: () => VcpuSet | undefined) {
    this.#memory = memory;
    this.#layout = layout;
    this.#vcpus = vcpus;
  }

  get length(): number {
    return this.#layout.videoBytes;
  }

  bytes(): Uint8Array {
    const { video, videoBytes } = this.#layout;
    if (this.#bytes.buffer !== this.#memory.buffer)
      this.#bytes = new Uint8Array(this.#memory.buffer, video, videoBytes);
    return this.#bytes;
  }

  /** Elsewhere than in the PCI hole it would get in the way of RAM and APICs: there the adapter answers itself. */
  place(gpa: number | undefined): void {
    const fits = gpa !== undefined && gpa >= PC_MEMORY.pciHole && gpa + this.length <= PC_MEMORY.pciHoleEnd;
    this.#gpa = fits ? gpa : undefined;
    this.#vcpus()?.placeVideoMemory(this.#gpa, this.length);
  }

  collectDirty(dirty: Uint8Array): void {
    if (this.#gpa === undefined) return;
    const first = this.#gpa / PAGE_BYTES;
    const flags = new Uint8Array(this.#memory.buffer, this.#layout.pageFlags + first, dirty.length);
    let [from, to] = [dirty.length, 0];
    for (let page = 0; page < dirty.length; page++) {
      if (flags[page] & PAGE_SCREEN) continue;
      flags[page] |= PAGE_SCREEN;
      dirty[page] = 1;
      from = Math.min(from, page);
      to = page + 1;
    }
    if (to > from) this.#vcpus()?.watchPages(first + from, to - from);
  }
}
