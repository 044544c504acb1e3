/** Linux's numbers of the errors a server tells of (include/uapi/asm-generic/errno.h, errno-base.h). */
export const ERRNO = {
  EPERM: 1,
  ENOENT: 2,
  EIO: 5,
  ENXIO: 6,
  EBADF: 9,
  ENOMEM: 12,
  EACCES: 13,
  EBUSY: 16,
  EEXIST: 17,
  EXDEV: 18,
  ENOTDIR: 20,
  EISDIR: 21,
  EINVAL: 22,
  ENFILE: 23,
  EMFILE: 24,
  ETXTBSY: 26,
  EFBIG: 27,
  ENOSPC: 28,
  EROFS: 30,
  EMLINK: 31,
  ENAMETOOLONG: 36,
  ENOTEMPTY: 39,
  ELOOP: 40,
  EPROTO: 71,
  EOPNOTSUPP: 95,
  ESTALE: 116,
  EDQUOT: 122,
} as const;

/** Thrown to answer a request with an error. */
export class Refused extends Error {
  readonly errno: number;

  constructor(reason: keyof typeof ERRNO) {
    super(reason);
    this.errno = ERRNO[reason];
  }
}

/** The number for an error that a shared folder threw; what has no name is an I/O error. */
export function errnoOf(error: unknown): number {
  if (error instanceof Refused) return error.errno;
  const code = (error as { code?: unknown }).code;
  const known = Object.entries(ERRNO).find(([name]) => name === code);
  return known?.[1] ?? ERRNO.EIO;
}
