import type { GuestMemory } from '../../../machine/interfaces.ts';
import type { Segment } from '../chain.ts';
import { FORMATS, PIXEL_BYTES } from './protocol.ts';
import { Backing, GpuResource, type ResourceShape } from './resource.ts';

/** Resources that a guest may have at once. */
const MOST_RESOURCES = 1024;
/** The longest side of one. */
const MOST_PIXELS = 8192;
/** What a segment of a backing counts for. */
const SEGMENT_BYTES = 64;

/** A resource as it is saved. */
interface SavedResource extends ResourceShape {
  readonly bytes: Uint8Array;
  readonly backing: readonly Segment[] | null;
}

/** The resources of a GPU, which take no more of the host's memory than they may. */
export class ResourceTable {
  readonly #memory: GuestMemory;
  readonly #mostBytes: number;
  readonly #resources = new Map<number, GpuResource>();
  #bytes = 0;

  /** @param mostBytes that all of them may take */
  constructor(memory: GuestMemory, mostBytes: number) {
    this.#memory = memory;
    this.#mostBytes = mostBytes;
  }

  get(id: number): GpuResource | undefined {
    return this.#resources.get(id);
  }

  /** Makes a black picture. @returns why not, where it cannot be */
  create(shape: ResourceShape): 'id' | 'shape' | 'memory' | undefined {
    const { id, format, width, height } = shape;
    if (id === 0 || this.#resources.has(id)) return 'id';
    const isSensible = Math.min(width, height) >= 1 && Math.max(width, height) <= MOST_PIXELS;
    if (!isSensible || !FORMATS.has(format)) return 'shape';
    if (this.#resources.size >= MOST_RESOURCES || !this.#take(width * height * PIXEL_BYTES)) return 'memory';
    this.#resources.set(id, new GpuResource(shape));
    return undefined;
  }

  delete(resource: GpuResource): void {
    this.detach(resource);
    this.#resources.delete(resource.id);
    this.#bytes -= resource.bytes.length;
  }

  /** Puts guest memory behind a resource. @param segments of RAM, none of them empty  @returns false: there are too many */
  attach(resource: GpuResource, segments: readonly Segment[]): boolean {
    if (!this.#take(segments.length * SEGMENT_BYTES)) return false;
    resource.backing = new Backing(this.#memory, segments);
    return true;
  }

  detach(resource: GpuResource): void {
    this.#bytes -= (resource.backing?.segments.length ?? 0) * SEGMENT_BYTES;
    resource.backing = undefined;
  }

  clear(): void {
    this.#resources.clear();
    this.#bytes = 0;
  }

  save(): SavedResource[] {
    return [...this.#resources.values()].map(({ id, format, width, height, bytes, backing }) => ({
      ...{ id, format, width, height, bytes: bytes.slice() },
      backing: backing?.segments.map((segment) => ({ ...segment })) ?? null,
    }));
  }

  restore(saved: unknown): void {
    this.clear();
    for (const { bytes, backing, ...shape } of saved as readonly SavedResource[]) {
      this.create(shape);
      const resource = this.get(shape.id);
      resource?.bytes.set(bytes);
      if (resource && backing) this.attach(resource, backing);
    }
  }

  #take(bytes: number): boolean {
    if (this.#bytes + bytes > this.#mostBytes) return false;
    this.#bytes += bytes;
    return true;
  }
}
