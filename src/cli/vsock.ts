import { NO_VSOCK_SOCKETS, VsockSockets } from '../host/node/vsock-sockets.ts';
import type { PcVsock } from '../vm/index.ts';
import type { SnapshotFile } from '../vm/snapshot/reader.ts';
import { configurationIn } from '../vm/snapshot/saved-machine.ts';
import { CliError, STATUS } from './errors.ts';
import { quote } from './values.ts';
import { DEFAULT_CID, type VsockOption } from './vsock-options.ts';

/** The guest's sockets of a machine that runs. */
export interface OpenVsock {
  readonly card: PcVsock;
  close(): void;
}

/**
 * Opens the sockets that the option names. A machine that was saved with sockets keeps the card, though the host may have none.
 * @throws {CliError} the path cannot be had
 */
export async function openVsock(
  { path, cid }: VsockOption,
  snapshot: SnapshotFile | undefined,
): Promise<OpenVsock | undefined> {
  const savedCid = snapshot && configurationIn(snapshot).vsockCid;
  const address = cid ?? savedCid ?? DEFAULT_CID;
  if (path === undefined) {
    return typeof savedCid === 'number' ? { card: { cid: address, host: NO_VSOCK_SOCKETS }, close() {} } : undefined;
  }
  try {
    const host = await VsockSockets.listen(path);
    return { card: { cid: address, host }, close: () => host.close() };
  } catch (error) {
    const found = `${quote(path)}, ${(error as Error).message}`;
    throw new CliError(STATUS.failed, `--vsock: found ${found}, expected a path to listen on`, { cause: error });
  }
}
