import type { Arguments } from './qmp-arguments.ts';
import { QmpError } from './qmp-error.ts';

/** A machine's balloon as it is seen from outside. */
export interface VmBalloon {
  /** RAM that the guest keeps, in bytes. */
  readonly actualBytes: number;
  /** What the guest last told of its memory, by tag (virtio 1.2 section 5.5.6.4). */
  readonly statistics: ReadonlyMap<number, bigint>;
  /** Asks the guest to keep so many bytes. */
  setTarget(bytes: number): Promise<void>;
  /** Asks the guest for new statistics. */
  askForStatistics(): Promise<void>;
}

/** What the commands about the balloon work on. */
export interface BalloonTarget {
  readonly balloon?: VmBalloon;
}

/** The QMP commands about the balloon (QEMU's "QMP Reference Manual", machines). */
export const BALLOON_COMMANDS = {
  balloon: {
    takes: ['value'],
    run: async (_session: unknown, target: BalloonTarget, given: Arguments) => {
      const bytes = given.integer('value');
      if (bytes <= 0) throw new QmpError('GenericError', "Parameter 'target' expects a size");
      await balloonOf(target).setTarget(bytes);
    },
  },
  'query-balloon': {
    run: (_session: unknown, target: BalloonTarget) => ({ actual: balloonOf(target).actualBytes }),
  },
} as const;

function balloonOf({ balloon }: BalloonTarget): VmBalloon {
  if (balloon === undefined) throw new QmpError('DeviceNotActive', 'No balloon device has been activated');
  return balloon;
}
