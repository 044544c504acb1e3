import { promisify } from 'node:util';
import * as zlib from 'node:zlib';
import { zstdFrameLength } from '../../base/zstd-frame.ts';
import type { Codec, Compression, DiskHost } from '../../disk/interfaces.ts';
import { NodeImageStore } from './image-files.ts';

/** qcow2 readers have a window of 4 KiB. */
const QCOW2_WINDOW_BITS = 12;

type Compress = (bytes: Uint8Array) => Promise<Uint8Array>;
type Expand = (bytes: Uint8Array, limits: { maxOutputLength: number }) => Promise<Uint8Array>;

const deflateRaw = promisify<Uint8Array, zlib.ZlibOptions, Uint8Array>(zlib.deflateRaw);
const deflate = promisify<Uint8Array, Uint8Array>(zlib.deflate);
const zstdDecompress = promisify<Uint8Array, zlib.ZstdOptions, Uint8Array>(zlib.zstdDecompress);
const zstdCompress = promisify<Uint8Array, Uint8Array>(zlib.zstdCompress);

const CODECS: Readonly<Record<Codec, { readonly compress: Compress; readonly expand: Expand }>> = {
  deflate: {
    compress: (bytes) => deflateRaw(bytes, { windowBits: QCOW2_WINDOW_BITS }),
    expand: promisify<Uint8Array, zlib.ZlibOptions, Uint8Array>(zlib.inflateRaw),
  },
  zlib: { compress: deflate, expand: promisify<Uint8Array, zlib.ZlibOptions, Uint8Array>(zlib.inflate) },
  zstd: {
    compress: zstdCompress,
    expand: (bytes, limits) => zstdDecompress(bytes.subarray(0, zstdFrameLength(bytes)), limits),
  },
};

const compression: Compression = {
  compress: (codec, bytes) => CODECS[codec].compress(bytes),
  expand: (codec, bytes, limitBytes) => CODECS[codec].expand(bytes, { maxOutputLength: limitBytes }),
};

/** The host's files and compressors, for disk images. */
export const nodeDiskHost: DiskHost = {
  files: new NodeImageStore(),
  compression,
  randomBytes: (target) => void crypto.getRandomValues(target as Uint8Array<ArrayBuffer>),
  nowMillis: () => Date.now(),
};
