import { NodeSharedFolder } from '../host/node/shared-folder.ts';
import { MOST_CARDS } from '../vm/config.ts';
import type { PcShare } from '../vm/index.ts';
import { UsageError } from './errors.ts';
import { whyUnreadable } from './files.ts';
import type { ShareOption } from './share-options.ts';

/** Opens the folders that options name. @throws {CliError} one is not there, or there are too many */
export function openShares(options: readonly ShareOption[]): PcShare[] {
  if (options.length > MOST_CARDS.shares) {
    throw new UsageError('--share', `${options.length} of them`, `at most ${MOST_CARDS.shares}`);
  }
  const owner = { uid: process.getuid?.() ?? 0, gid: process.getgid?.() ?? 0 };
  return options.map((option) => ({ tag: option.tag, readOnly: option.readOnly, owner, folder: open(option) }));
}

function open({ option, path }: ShareOption): NodeSharedFolder {
  try {
    return new NodeSharedFolder(path);
  } catch (error) {
    throw whyUnreadable({ option, path }, error, 'a folder');
  }
}
