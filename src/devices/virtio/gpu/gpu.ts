import { ByteReader, ByteWriter } from '../../../base/bytes.ts';
import { requireVersion } from '../../../base/state-version.ts';
import type { DisplaySource, LinearScanout, PointerImage, Rect, Scanout } from '../../../display/interfaces.ts';
import { type DeviceState, type GuestMemory, NotRam, PageAbsent } from '../../../machine/interfaces.ts';
import type { Chain, Segment } from '../chain.ts';
import { VIRTIO_TYPE, type VirtioDevice, type VirtioPort } from '../virtio-device.ts';
import { Pointer } from './pointer.ts';
import {
  DISPLAY_ONE_BYTES,
  EDID_RESPONSE,
  FLAG_FENCE,
  FORMATS,
  GPU_CMD,
  GPU_CONFIG,
  GPU_F,
  GPU_RESP,
  HEADER,
  MOST_SCANOUTS,
  PIXEL_BYTES,
} from './protocol.ts';
import type { GpuResource } from './resource.ts';
import { ResourceTable } from './resources.ts';

const CONTROL = 0;
const QUEUE_ENTRIES = [64, 16];
/** Bytes of the longest request but for the entries behind resourceAttachBacking. */
const REQUEST_BYTES = 56;
/** Segments of a backing; a screen of 1920×1200 in single pages has 2,250. */
const MOST_SEGMENTS = 16384;
const SEGMENT_BYTES = 16;
/** What the pictures of a guest may take of the host's memory: seven screens of 1920×1200. */
const MOST_BYTES = 64 << 20;
const ADDRESSABLE = 2n ** 52n;
/** Where an EDID says how large the preferred mode is (VESA E-EDID 1.4 section 3.10.2): low bytes, and high nibbles. */
const EDID_WIDTH = [56, 58] as const;
const EDID_HEIGHT = [59, 61] as const;
const STATE_VERSION = 1;

/** What a {@link VirtioGpu} is connected to. */
export interface VirtioGpuWiring {
  readonly memory: GuestMemory;
  /** What the monitor tells of itself; its preferred mode is the one that drivers start with. */
  readonly edid: Uint8Array;
  /** Bytes of the host's memory that the guest's pictures may take. */
  readonly mostBytes?: number;
}

/** The part of a resource that is on the screen. */
interface Shown {
  readonly resource: number;
  readonly part: Rect;
}

/** A response: its type and what follows the header. */
type Response = number | readonly [type: number, data: Uint8Array];

/**
 * The GPU without 3D (virtio 1.2 section 5.7), with one screen. Requests are done at once, so that a fence is reached
 * when its request is answered.
 */
export class VirtioGpu implements VirtioDevice, DisplaySource {
  readonly type = VIRTIO_TYPE.gpu;
  readonly features = GPU_F.edid;
  readonly queueSizes = QUEUE_ENTRIES;
  readonly config = new Uint8Array(GPU_CONFIG.length);
  readonly #memory: GuestMemory;
  readonly #edid: Uint8Array;
  readonly #resources: ResourceTable;
  readonly #pointer = new Pointer();
  #port: VirtioPort | undefined;
  /** What the screen shows; undefined: nothing. */
  #shown: Shown | undefined;
  /** Whether a driver has ever put anything on the screen since the reset. */
  #active = false;

  constructor({ memory, edid, mostBytes = MOST_BYTES }: VirtioGpuWiring) {
    this.#memory = memory;
    this.#edid = edid;
    this.#resources = new ResourceTable(memory, mostBytes);
    new DataView(this.config.buffer).setUint32(GPU_CONFIG.scanouts, 1, true);
  }

  connect(port: VirtioPort): void {
    this.#port = port;
  }

  /** Whether a driver uses the screen: until then it is a VGA's, where there is one. */
  get isActive(): boolean {
    return this.#active;
  }

  scanout(): Scanout {
    const resource = this.#shown && this.#resources.get(this.#shown.resource);
    if (!this.#shown || !resource) {
      const { width, height } = this.#preferred;
      return { kind: 'blank', width, height };
    }
    return linearScanout(resource, this.#shown.part, this.#pointer.image);
  }

  takeDirty(): Uint8Array {
    return this.#resources.get(this.#shown?.resource ?? 0)?.takeDirty() ?? new Uint8Array(0);
  }

  /** @throws {PageAbsent} */
  notify(index: number): void {
    const queue = this.#port?.queues[index];
    for (let chain = queue?.pop(); chain; chain = queue?.pop()) {
      try {
        queue?.complete(chain, index === CONTROL ? this.#answer(chain) : this.#point(chain));
      } catch (error) {
        if (error instanceof PageAbsent) queue?.putBack([chain]);
        throw error;
      }
    }
  }

  save(): DeviceState {
    return {
      version: STATE_VERSION,
      resources: this.#resources.save(),
      shown: this.#shown ? { resource: this.#shown.resource, part: { ...this.#shown.part } } : null,
      active: this.#active,
      pointer: this.#pointer.save(),
    };
  }

  restore(state: DeviceState): void {
    requireVersion('VirtioGpu', state.version, STATE_VERSION);
    this.#resources.restore(state.resources);
    this.#shown = (state.shown as Shown | null) ?? undefined;
    this.#active = Boolean(state.active);
    this.#pointer.restore(state.pointer as DeviceState);
  }

  get #preferred(): { width: number; height: number } {
    const size = ([low, high]: readonly [number, number]) => this.#edid[low] | ((this.#edid[high] & 0xf0) << 4);
    return { width: size(EDID_WIDTH), height: size(EDID_HEIGHT) };
  }

  /** @returns bytes written */
  #answer(chain: Chain): number {
    const bytes = new Uint8Array(REQUEST_BYTES);
    const length = chain.read(0, bytes);
    const request = new ByteReader(bytes);
    const response = length < HEADER.length ? GPU_RESP.errUnspec : this.#execute(request, chain);
    const [type, data] = typeof response === 'number' ? [response, undefined] : response;
    const isFenced = (request.u32(HEADER.flags) & FLAG_FENCE) !== 0;
    const out = new ByteWriter().u32(type).u32(isFenced ? FLAG_FENCE : 0);
    out.append(isFenced ? request.slice(HEADER.fence, HEADER.length - HEADER.fence) : new Uint8Array(16));
    return chain.write(0, (data ? out.append(data) : out).finish());
  }

  #execute(request: ByteReader, chain: Chain): Response {
    switch (request.u32(HEADER.type)) {
      case GPU_CMD.getDisplayInfo:
        return [GPU_RESP.okDisplayInfo, this.#displayInfo()];
      case GPU_CMD.resourceCreate2d:
        return this.#create(request);
      case GPU_CMD.resourceUnref:
        return this.#withResource(request.u32(24), (resource) => this.#unref(resource));
      case GPU_CMD.setScanout:
        return this.#setScanout(request);
      case GPU_CMD.resourceFlush:
        return this.#withResource(request.u32(40), (resource) => this.#flush(resource, rectOf(request)));
      case GPU_CMD.transferToHost2d:
        return this.#withResource(request.u32(48), (resource) => transfer(resource, request));
      case GPU_CMD.resourceAttachBacking:
        return this.#withResource(request.u32(24), (resource) => this.#attach(resource, request.u32(28), chain));
      case GPU_CMD.resourceDetachBacking:
        return this.#withResource(request.u32(24), (resource) => this.#detach(resource));
      case GPU_CMD.getCapsetInfo:
      case GPU_CMD.getCapset:
        return GPU_RESP.errInvalidParameter; // the configuration says that there are none
      case GPU_CMD.getEdid:
        return request.u32(24) === 0 ? [GPU_RESP.okEdid, this.#edidResponse()] : GPU_RESP.errInvalidScanoutId;
      default:
        return GPU_RESP.errUnspec;
    }
  }

  #withResource(id: number, act: (resource: GpuResource) => Response): Response {
    const resource = this.#resources.get(id);
    return resource ? act(resource) : GPU_RESP.errInvalidResourceId;
  }

  #displayInfo(): Uint8Array {
    const { width, height } = this.#preferred;
    const out = new ByteWriter().u32(0).u32(0).u32(width).u32(height).u32(1);
    return out.zeros(MOST_SCANOUTS * DISPLAY_ONE_BYTES - out.length).finish();
  }

  #edidResponse(): Uint8Array {
    const out = new ByteWriter().u32(this.#edid.length).u32(0).append(this.#edid);
    return out.zeros(EDID_RESPONSE.length - out.length).finish();
  }

  #create(request: ByteReader): Response {
    const [id, format, width, height] = [24, 28, 32, 36].map((at) => request.u32(at));
    const refused = this.#resources.create({ id, format, width, height });
    return refused === undefined ? GPU_RESP.okNoData : REFUSALS[refused];
  }

  #unref(resource: GpuResource): Response {
    this.#resources.delete(resource);
    if (this.#shown?.resource === resource.id) this.#shown = undefined;
    return GPU_RESP.okNoData;
  }

  #setScanout(request: ByteReader): Response {
    const [scanout, id] = [request.u32(40), request.u32(44)];
    if (scanout !== 0) return GPU_RESP.errInvalidScanoutId;
    if (id === 0) {
      this.#shown = undefined;
      return GPU_RESP.okNoData;
    }
    return this.#withResource(id, (resource) => {
      const part = rectOf(request);
      if (part.width === 0 || part.height === 0 || !resource.contains(part)) return GPU_RESP.errInvalidParameter;
      this.#shown = { resource: id, part };
      this.#active = true;
      resource.damageAll();
      return GPU_RESP.okNoData;
    });
  }

  #flush(resource: GpuResource, part: Rect): Response {
    if (!resource.contains(part)) return GPU_RESP.errInvalidParameter;
    if (this.#shown?.resource === resource.id) resource.damage(part);
    return GPU_RESP.okNoData;
  }

  #attach(resource: GpuResource, count: number, chain: Chain): Response {
    if (resource.backing || count > MOST_SEGMENTS) return GPU_RESP.errUnspec;
    const entries = new ByteReader(chain.readBytes(32, count * SEGMENT_BYTES));
    if (entries.length < count * SEGMENT_BYTES) return GPU_RESP.errUnspec;
    const segments: Segment[] = [];
    for (let at = 0; at < entries.length; at += SEGMENT_BYTES) {
      const [gpa, length] = [entries.u64(at), entries.u32(at + 8)];
      if (gpa >= ADDRESSABLE || !this.#isRam(Number(gpa), length)) return GPU_RESP.errUnspec;
      if (length > 0) segments.push({ gpa: Number(gpa), length });
    }
    return this.#resources.attach(resource, segments) ? GPU_RESP.okNoData : GPU_RESP.errOutOfMemory;
  }

  #isRam(gpa: number, length: number): boolean {
    try {
      this.#memory.forRead(gpa, length);
    } catch (error) {
      if (error instanceof NotRam) return false;
      if (!(error instanceof PageAbsent)) throw error; // a page that is brought in later is RAM
    }
    return true;
  }

  #detach(resource: GpuResource): Response {
    if (!resource.backing) return GPU_RESP.errUnspec;
    this.#resources.detach(resource);
    return GPU_RESP.okNoData;
  }

  /** A request of the queue for the pointer, which has no response. @returns bytes written */
  #point(chain: Chain): number {
    const bytes = new Uint8Array(REQUEST_BYTES);
    const request = new ByteReader(bytes);
    if (chain.read(0, bytes) < 40 || request.u32(24) !== 0) return 0;
    const type = request.u32(HEADER.type);
    if (type !== GPU_CMD.updateCursor && type !== GPU_CMD.moveCursor) return 0;
    this.#pointer.move(request.u32(28), request.u32(32));
    if (type === GPU_CMD.updateCursor) this.#pointer.show(this.#resources.get(request.u32(40)));
    return 0;
  }
}

const REFUSALS = {
  id: GPU_RESP.errInvalidResourceId,
  shape: GPU_RESP.errInvalidParameter,
  memory: GPU_RESP.errOutOfMemory,
} as const;

function rectOf(request: ByteReader): Rect {
  const [x, y, width, height] = [24, 28, 32, 36].map((at) => request.u32(at));
  return { x, y, width, height };
}

function transfer(resource: GpuResource, request: ByteReader): Response {
  const part = rectOf(request);
  const offset = request.u64(40);
  if (!resource.contains(part) || offset >= ADDRESSABLE) return GPU_RESP.errInvalidParameter;
  if (!resource.backing) return GPU_RESP.errUnspec;
  resource.transfer(part, Number(offset));
  return GPU_RESP.okNoData;
}

function linearScanout(resource: GpuResource, part: Rect, pointer: PointerImage | undefined): LinearScanout {
  return {
    kind: 'linear',
    width: part.width,
    height: part.height,
    memory: resource.bytes,
    offset: part.y * resource.pitch + part.x * PIXEL_BYTES,
    pitch: resource.pitch,
    format: FORMATS.get(resource.format) ?? 'x8r8g8b8',
    palette: NO_PALETTE,
    pointer,
  };
}

const NO_PALETTE = new Uint32Array(0);
