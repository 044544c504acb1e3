import type { Arguments, Fields } from './qmp-arguments.ts';
import type { QmpClient } from './qmp-client.ts';
import { QmpError } from './qmp-error.ts';
import { SNAPSHOT_CODEC_NAMES, type SnapshotCodecName } from './snapshot/format.ts';

/** What the commands about snapshots work on. */
export interface SnapshotTarget {
  /** Writes a snapshot to a file of the host. @param codec default zstd  @returns its length in bytes */
  readonly saveSnapshot?: (path: string, codec?: SnapshotCodecName) => Promise<number>;
}

/** A job as `query-jobs` tells of it. */
interface Job {
  readonly id: string;
  status: 'running' | 'concluded';
  error?: string;
}

/** The jobs of each machine. */
const jobsOf = new WeakMap<SnapshotTarget, Map<string, Job>>();

/** The QMP commands about snapshots (QEMU's "QMP Reference Manual", snapshots and background jobs). */
export const SNAPSHOT_COMMANDS = {
  'snapshot-save': {
    takes: ['job-id', 'tag', 'vmstate', 'devices'],
    run: (session: QmpClient, target: SnapshotTarget, given: Arguments) => startSave(session, target, given),
  },
  'query-jobs': {
    run: (_session: QmpClient, target: SnapshotTarget) => [...jobs(target).values()].map(describeJob),
  },
  'job-dismiss': {
    takes: ['id'],
    run: (session: QmpClient, target: SnapshotTarget, given: Arguments) => dismiss(session, target, given.text('id')),
  },
  'vitrine-snapshot': {
    takes: ['filename', 'compress'],
    run: async (_session: QmpClient, target: SnapshotTarget, given: Arguments) => {
      const codec = given.has('compress') ? given.word('compress', SNAPSHOT_CODEC_NAMES) : undefined;
      return { bytes: await saverOf(target)(given.text('filename'), codec) };
    },
  },
} as const;

function jobs(target: SnapshotTarget): Map<string, Job> {
  const found = jobsOf.get(target) ?? new Map<string, Job>();
  jobsOf.set(target, found);
  return found;
}

function saverOf({ saveSnapshot }: SnapshotTarget): NonNullable<SnapshotTarget['saveSnapshot']> {
  if (saveSnapshot === undefined) throw new QmpError('GenericError', 'this machine cannot be saved');
  return saveSnapshot;
}

/** Begins to write a snapshot to the file that `tag` names; the job tells when it is done. Disks are in the same file. */
function startSave(session: QmpClient, target: SnapshotTarget, given: Arguments): void {
  const [id, path] = [given.text('job-id'), given.text('tag')];
  if (jobs(target).has(id)) throw new QmpError('GenericError', `Job ID '${id}' already in use`);
  const job: Job = { id, status: 'running' };
  const save = saverOf(target);
  jobs(target).set(id, job);
  const tell = (status: string) => session.sendEvent('JOB_STATUS_CHANGE', { status, id });
  tell('created');
  tell('running');
  const conclude = (error?: unknown) => {
    job.status = 'concluded';
    if (error !== undefined) job.error = (error as Error).message;
    tell('concluded');
  };
  void save(path).then(() => conclude(), conclude);
}

function describeJob({ id, status, error }: Job): Fields {
  const done = status === 'concluded';
  const progress = { 'current-progress': done ? 1 : 0, 'total-progress': 1 };
  return { id, type: 'snapshot-save', status, ...progress, ...(error !== undefined && { error }) };
}

function dismiss(session: QmpClient, target: SnapshotTarget, id: string): void {
  const job = jobs(target).get(id);
  if (job === undefined) throw new QmpError('GenericError', 'Job not found');
  if (job.status !== 'concluded') {
    throw new QmpError('GenericError', `Job '${id}' in state '${job.status}' cannot accept command verb 'dismiss'`);
  }
  jobs(target).delete(id);
  session.sendEvent('JOB_STATUS_CHANGE', { status: 'null', id });
}
