// Random sequences of requests, resizes and snapshots leave the same disk here and in QEMU.
import { describe, it } from 'node:test';
import { MIRRORED_KINDS, mirrorSequence } from './disk/mirrored-images.ts';
import { NO_QEMU_IMG, temporaryFolder } from './disk/qemu.ts';

/** Sequences for each kind of image, and the first one's number. */
const SEQUENCES = Number(process.env.VITRINE_DISK_SEQUENCES ?? 1);
const SEED = Number(process.env.VITRINE_DISK_SEED ?? 1);

const inFolder = temporaryFolder('mirror');

describe('random sequences leave the same disk here and in QEMU', { skip: NO_QEMU_IMG }, () => {
  for (const kind of MIRRORED_KINDS) {
    it(kind.name, async () => {
      for (let seed = SEED; seed < SEED + SEQUENCES; seed++) {
        await mirrorSequence(kind, seed, inFolder('image')).catch((error: Error) => {
          throw new Error(`sequence ${seed}: ${error.message}`, { cause: error });
        });
      }
    });
  }
});
