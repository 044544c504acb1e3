import { UsageError } from './errors.ts';
import { quote } from './values.ts';

/** What `--share` asks for. */
export interface ShareOption {
  readonly option: '--share';
  readonly path: string;
  /** What the guest mounts it by. */
  readonly tag: string;
  readonly readOnly: boolean;
}

/** What Linux takes as a tag (net/9p/trans_virtio.c) and mount's own syntax allows. */
const TAG = /^[\w.-]{1,31}$/;

/** Reads `DIR:TAG[:ro]`. @throws {UsageError} */
export function parseShare(text: string): ShareOption {
  const [, path, tag, readOnly] = /^(.+?):([^:]+)(:ro)?$/s.exec(text) ?? [];
  if (path === undefined || tag === undefined || !TAG.test(tag)) {
    throw new UsageError('--share', quote(text), 'DIR:TAG[:ro]');
  }
  return { option: '--share', path, tag, readOnly: readOnly !== undefined };
}
