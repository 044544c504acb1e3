import type { PixelFormat } from '../../../display/interfaces.ts';

/** Feature bits of the GPU (virtio 1.2 section 5.7.3): of them, a monitor's EDID. */
export const GPU_F = { edid: 1n << 1n } as const;

/** Fields of the configuration (virtio 1.2 section 5.7.4). */
export const GPU_CONFIG = { eventsRead: 0, eventsClear: 4, scanouts: 8, capsets: 12, length: 16 } as const;

/** Requests (virtio 1.2 section 5.7.6.7): those of a GPU without 3D. */
export const GPU_CMD = {
  getDisplayInfo: 0x0100,
  resourceCreate2d: 0x0101,
  resourceUnref: 0x0102,
  setScanout: 0x0103,
  resourceFlush: 0x0104,
  transferToHost2d: 0x0105,
  resourceAttachBacking: 0x0106,
  resourceDetachBacking: 0x0107,
  getCapsetInfo: 0x0108,
  getCapset: 0x0109,
  getEdid: 0x010a,
  updateCursor: 0x0300,
  moveCursor: 0x0301,
} as const;

/** Responses, of which those from {@link GPU_RESP}.errUnspec on are errors. */
export const GPU_RESP = {
  okNoData: 0x1100,
  okDisplayInfo: 0x1101,
  okEdid: 0x1104,
  errUnspec: 0x1200,
  errOutOfMemory: 0x1201,
  errInvalidScanoutId: 0x1202,
  errInvalidResourceId: 0x1203,
  errInvalidParameter: 0x1205,
} as const;

/** The header that every request and response begins with: type, flags, fence, context, ring. */
export const HEADER = { type: 0, flags: 4, fence: 8, context: 16, length: 24 } as const;
export const FLAG_FENCE = 1;

/** Screens that the protocol has room for. */
export const MOST_SCANOUTS = 16;
/** Of a screen in the answer to getDisplayInfo: rectangle, whether it is there, flags. */
export const DISPLAY_ONE_BYTES = 24;
/** The answer to getEdid: size, padding, the data. */
export const EDID_RESPONSE = { size: 0, data: 8, length: 8 + 1024 } as const;

/** Bytes of a pixel, in all formats. */
export const PIXEL_BYTES = 4;

/** Formats of pixels by their numbers (virtio 1.2 section 5.7.6.8), which name the bytes of a pixel in their order in memory. */
export const FORMATS: ReadonlyMap<number, PixelFormat> = new Map([
  [1, 'x8r8g8b8'], // B8G8R8A8_UNORM
  [2, 'x8r8g8b8'], // B8G8R8X8_UNORM
  [3, 'b8g8r8x8'], // A8R8G8B8_UNORM
  [4, 'b8g8r8x8'], // X8R8G8B8_UNORM
  [67, 'x8b8g8r8'], // R8G8B8A8_UNORM
  [68, 'r8g8b8x8'], // X8B8G8R8_UNORM
  [121, 'r8g8b8x8'], // A8B8G8R8_UNORM
  [134, 'x8b8g8r8'], // R8G8B8X8_UNORM
]);

/** The one format of pointers: B8G8R8A8_UNORM. */
export const CURSOR_FORMAT = 1;
/** Pointers are squares of so many pixels. */
export const CURSOR_SIZE = 64;
