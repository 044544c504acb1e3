import { openDriver } from '../../disk/open.ts';
import { nodeDiskHost } from '../../host/node/disk-host.ts';
import { snapshotJson, snapshotTable } from './facts.ts';
import { type OutputOptions, say, sayJson, wantsJson } from './output.ts';

/** What `snapshot` is told besides the file. */
export interface SnapshotOptions extends OutputOptions {
  readonly format?: string;
  readonly forceShare?: boolean;
}

/** `vitrine image snapshot -l`. */
export async function list(file: string, options: SnapshotOptions): Promise<number> {
  const open = { format: options.format, readOnly: true, shared: options.forceShare, withoutBacking: true };
  const driver = await openDriver(file, open, nodeDiskHost);
  await driver.close();
  const { snapshots = [] } = driver.facts;
  if (wantsJson(options)) sayJson(snapshots.map(snapshotJson));
  else if (snapshots.length > 0) say(snapshotTable(snapshots).join('\n'));
  return 0;
}
