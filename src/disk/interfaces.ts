import type { BlockDevice } from '../machine/interfaces.ts';

/** Random access to the bytes that an image is stored in: a file of the host, or memory. */
export interface ImageFile {
  /** What messages call it. */
  readonly name: string;
  readonly readOnly: boolean;
  /** Its length now. */
  readonly sizeBytes: number;
  /** Fills `target` from `offset` on; what lies past the end reads as zeros. */
  read(offset: number, target: Uint8Array): Promise<void>;
  /** Fills `targets` one after the other, where this is sooner done than waited for. @returns false where it is not, or
   * where the file ends before: what `targets` hold is then undefined */
  readNow?(offset: number, targets: readonly Uint8Array[]): boolean;
  /** Writes all of `source`; a write past the end makes the file longer and leaves a hole. */
  write(offset: number, source: Uint8Array): Promise<void>;
  /** Makes the file shorter, or longer by a hole. */
  truncate(sizeBytes: number): Promise<void>;
  /** Resolves when everything written before is on stable storage. */
  flush(): Promise<void>;
  close(): Promise<void>;
}

/** How a file is opened. */
export interface FileOptions {
  /** Opened for reading alone; others may do so at the same time. */
  readonly readOnly?: boolean;
  /** With `readOnly`: opened even while someone else writes, whose half-done changes may be seen. */
  readonly shared?: boolean;
}

/** Where image files are found and made. */
export interface ImageStore {
  /** Opens a file; one that is opened for writing belongs to the opener alone.
   * @throws {ImageInUse} someone else writes it */
  open(name: string, options: FileOptions): Promise<ImageFile>;
  /** Makes an empty file, or empties the one that is there. @throws {ImageInUse} */
  create(name: string): Promise<ImageFile>;
  /** Makes a file that is gone when it is closed. */
  temporary(): Promise<ImageFile>;
  /** The name of a file that an image refers to: relative names start from the image's own folder. */
  resolve(image: string, reference: string): string;
  /** The name that a file has from everywhere. */
  absolute(name: string): string;
}

/** Compression formats in images: raw deflate with a window of 4 KiB (RFC 1951), zlib (RFC 1950), Zstandard (RFC 8878). */
export type Codec = 'deflate' | 'zlib' | 'zstd';

/** The host's compressors. */
export interface Compression {
  compress(codec: Codec, bytes: Uint8Array): Promise<Uint8Array>;
  /** Expands one stream and ignores what follows it.
   * @param limitBytes what comes out at most
   * @throws {Error} the stream is damaged or longer than that */
  expand(codec: Codec, bytes: Uint8Array, limitBytes: number): Promise<Uint8Array>;
}

/** What image formats need of the host. */
export interface DiskHost {
  readonly files: ImageStore;
  readonly compression: Compression;
  /** Fills with unpredictable bytes, for identifiers. */
  randomBytes(target: Uint8Array): void;
  /** Milliseconds since 1970, for time stamps in images. */
  nowMillis(): number;
}

/** What a range of a disk is to one image of a chain. */
export interface Extent {
  /** Bytes from the offset asked for. */
  readonly length: number;
  /** `data`: stored here. `zero`: known to be zeros. `absent`: not here but in the backing image, or zeros without one. */
  readonly kind: 'data' | 'zero' | 'absent';
  /** Where the file has these bytes as they are. */
  readonly fileOffset?: number;
  readonly compressed?: boolean;
}

/** What tools tell about an image. */
export interface ImageFacts {
  readonly clusterBytes?: number;
  readonly backing?: BackingReference;
  readonly dirty?: boolean;
  readonly corrupt?: boolean;
  readonly compressed?: boolean;
  readonly snapshots?: readonly SnapshotFacts[];
  /** What only this format has, under QEMU's names. */
  readonly specific?: Readonly<Record<string, FactValue>>;
}

export type FactValue =
  | string
  | number
  | boolean
  | readonly FactValue[]
  | { readonly [name: string]: FactValue | undefined };

/** An image's note of what it lies on. */
export interface BackingReference {
  readonly name: string;
  readonly format?: string;
}

/** A point in time kept inside an image. */
export interface SnapshotFacts {
  readonly id: string;
  readonly name: string;
  readonly vmStateBytes: number;
  /** When it was taken: seconds since 1970, and the rest of a second. */
  readonly dateSeconds: number;
  readonly dateNanos: number;
  readonly vmClockNanos: bigint;
  /** Instructions executed, or undefined where that was not counted. */
  readonly icount?: bigint;
  readonly diskBytes: number;
}

/** Which of an image's defects are to be repaired. */
export type Repair = 'none' | 'leaks' | 'all';

/** What looking through an image's own structure found. */
export interface CheckReport {
  /** Defects that are there after the check. */
  readonly corruptions: number;
  readonly leaks: number;
  readonly checkErrors: number;
  readonly corruptionsFixed: number;
  readonly leaksFixed: number;
  /** A line for each defect. */
  readonly messages: readonly string[];
  readonly imageEndOffset: number;
  readonly totalClusters: number;
  readonly allocatedClusters: number;
  readonly fragmentedClusters: number;
  readonly compressedClusters: number;
}

/**
 * One image in its format. Requests lie inside the disk; the caller orders those that share a cluster, and none but
 * reads, writes, discards and flushes overlap in time.
 */
export interface ImageDriver {
  readonly format: string;
  readonly sizeBytes: number;
  readonly readOnly: boolean;
  /** The unit that changes as a whole. */
  readonly clusterBytes: number;
  readonly backing?: ReadableDisk;
  readonly facts: ImageFacts;
  read(offset: number, target: Uint8Array): Promise<void>;
  /** As {@link ImageFile.readNow}. */
  readNow?(offset: number, targets: readonly Uint8Array[]): boolean;
  write(offset: number, source: Uint8Array): Promise<void>;
  discard(offset: number, length: number): Promise<void>;
  /** As a write of zeros, in less space where the format can. */
  writeZeros(offset: number, length: number): Promise<void>;
  /** What the range that begins at `offset` is; the answer may be shorter than asked. */
  extent(offset: number, length: number): Promise<Extent>;
  flush(): Promise<void>;
  close(): Promise<void>;
  resize?(sizeBytes: number): Promise<void>;
  check?(repair: Repair): Promise<CheckReport>;
  /** Writes one whole cluster, compressed if that makes it smaller. */
  writeCompressed?(offset: number, cluster: Uint8Array): Promise<void>;
}

/** What lies under an image. Reads past its end give zeros. */
export interface ReadableDisk {
  readonly sizeBytes: number;
  read(offset: number, target: Uint8Array): Promise<void>;
  close(): Promise<void>;
}

/** A disk in an image file. */
export interface Disk extends BlockDevice {
  readonly driver: ImageDriver;
  /** As a write of zeros, in less space where the format can. */
  writeZeros(offset: number, length: number): Promise<void>;
}

/** A failure of a disk image that is told in one line. */
export class DiskError extends Error {}

/** The file is no image of its format, is damaged, or needs what this version does not have. */
export class ImageInvalid extends DiskError {
  constructor(name: string, reason: string) {
    super(`${name}: ${reason}`);
  }
}

/** Someone else has the image open for writing. */
export class ImageInUse extends DiskError {
  constructor(name: string, holder: string) {
    super(`${name}: the image is in use by ${holder}`);
  }
}

/** A request lies outside the disk, is not a multiple of 512 bytes, or writes to what cannot be written. */
export class RequestRefused extends DiskError {}
