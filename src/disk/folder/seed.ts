import { makeIso } from './iso9660.ts';
import type { PieceImage } from './piece-image.ts';
import { memoryFolder } from './tree.ts';

/** What a guest's cloud-init is told at its first start. */
export interface SeedOptions {
  /** A `#cloud-config` document, a script, or whatever else cloud-init takes. */
  readonly userData?: string;
  /** Lines of `authorized_keys` for the default user. */
  readonly sshKeys?: readonly string[];
  readonly hostName?: string;
  /** Another one makes cloud-init run again. */
  readonly instanceId: string;
  /** Version 1 or 2 of cloud-init's own format. */
  readonly networkConfig?: string;
  readonly createdMillis: number;
}

/** The label by which cloud-init finds its seed. */
const LABEL = 'cidata';

/** A disc for cloud-init's NoCloud data source: user-data, meta-data and, if given, network-config. */
export function makeSeed(options: SeedOptions): PieceImage {
  const { userData = '#cloud-config\n{}\n', networkConfig, createdMillis } = options;
  const files: Record<string, string> = { 'user-data': userData, 'meta-data': metaData(options) };
  if (networkConfig !== undefined) files['network-config'] = networkConfig;
  const encoder = new TextEncoder();
  const encoded = Object.fromEntries(Object.entries(files).map(([name, text]) => [name, encoder.encode(text)]));
  return makeIso(memoryFolder(encoded, createdMillis), { label: LABEL, createdMillis });
}

/** JSON is YAML. */
function metaData({ instanceId, hostName, sshKeys = [] }: SeedOptions): string {
  const fields = {
    'instance-id': instanceId,
    ...(hostName === undefined ? {} : { 'local-hostname': hostName }),
    ...(sshKeys.length === 0 ? {} : { 'public-keys': sshKeys }),
  };
  return `${JSON.stringify(fields, undefined, 2)}\n`;
}
