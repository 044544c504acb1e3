import type { FactValue, ImageFacts } from '../interfaces.ts';
import { type BitmapEntry, bitmapFlags } from './bitmaps.ts';
import { COMPATIBLE, INCOMPATIBLE, type Qcow2Header } from './header.ts';
import type { Snapshot } from './snapshots.ts';

/** What tools tell about a qcow2 image. */
export function qcow2Facts(
  header: Qcow2Header,
  snapshots: readonly Snapshot[],
  bitmaps: readonly BitmapEntry[],
): ImageFacts {
  return {
    clusterBytes: 2 ** header.clusterBits,
    backing: header.backing,
    dirty: (header.incompatible & INCOMPATIBLE.dirty) !== 0,
    corrupt: (header.incompatible & INCOMPATIBLE.corrupt) !== 0,
    snapshots,
    specific: header.version === 2 ? version2(header) : version3(header, bitmaps),
  };
}

function version2(header: Qcow2Header): Readonly<Record<string, FactValue>> {
  return { compat: '0.10', 'compression-type': header.compression, 'refcount-bits': 2 ** header.refcountOrder };
}

function version3(header: Qcow2Header, bitmaps: readonly BitmapEntry[]): Readonly<Record<string, FactValue>> {
  const described = bitmaps.map((bitmap) => ({
    flags: bitmapFlags(bitmap),
    name: bitmap.name,
    granularity: 2 ** bitmap.granularityBits,
  }));
  return {
    compat: '1.1',
    'compression-type': header.compression,
    'lazy-refcounts': (header.compatible & COMPATIBLE.lazyRefcounts) !== 0,
    ...(bitmaps.length > 0 ? { bitmaps: described } : {}),
    'refcount-bits': 2 ** header.refcountOrder,
    corrupt: (header.incompatible & INCOMPATIBLE.corrupt) !== 0,
    'extended-l2': false,
  };
}
