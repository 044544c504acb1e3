import { type ChildProcess, type SpawnOptions, spawn } from 'node:child_process';
import { buffer } from 'node:stream/consumers';

/** A program ended with a failure, or could not be started. */
export class ProgramError extends Error {}

/** Starts a program with its output and complaints to be read, and no input unless `options` say otherwise. */
export function start(program: string, args: readonly string[], options: SpawnOptions = {}): ChildProcess {
  return spawn(program, args, { stdio: ['ignore', 'pipe', 'pipe'], ...options });
}

/** Waits for the end of a program that {@link start} started.
 * @param stdout its output, or null when that goes elsewhere
 * @returns what it printed
 * @throws {ProgramError} it was not there, or ended with another status than 0; with its last line of complaint */
export async function finish(child: ChildProcess, stdout = child.stdout): Promise<Buffer<ArrayBuffer>> {
  const { promise: ended, resolve, reject } = Promise.withResolvers<number | null>();
  child.on('error', (error: NodeJS.ErrnoException) => reject(new ProgramError(startFailure(child, error))));
  child.on('close', resolve);
  const [output, complaints, status] = await Promise.all([readAll(stdout), readAll(child.stderr), ended]);
  if (status === 0) return output;
  const lastLine = complaints.toString().trim().split('\n').at(-1);
  throw new ProgramError(`${child.spawnfile} failed: ${lastLine || `status ${status}`}`);
}

function startFailure({ spawnfile }: ChildProcess, { code, message }: NodeJS.ErrnoException): string {
  return code === 'ENOENT' ? `${spawnfile} is not on this host` : message;
}

async function readAll(stream: NodeJS.ReadableStream | null): Promise<Buffer<ArrayBuffer>> {
  return stream === null ? Buffer.alloc(0) : buffer(stream);
}
