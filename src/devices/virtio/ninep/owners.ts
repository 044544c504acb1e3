import type { FileFacts, SharedFolder, SharedPath } from '../../../machine/shared-folder.ts';

/** Types and permissions in a mode, as Linux has them. */
export const MODE = { type: 0o170000, folder: 0o040000, file: 0o100000, link: 0o120000, permissions: 0o7777 } as const;

/** What a guest was told a file to have, where that differs from the host's. */
export interface Owned {
  readonly mode?: number;
  readonly uid?: number;
  readonly gid?: number;
  /** Numbers of a device file: major and minor. */
  readonly device?: readonly [major: number, minor: number];
}

/** Whose files of the host belong to the guest's root. */
export interface HostOwner {
  readonly uid: number;
  readonly gid: number;
}

/**
 * Owners and modes as the guest sees them. What the guest changes is written down here and does not become the host's:
 * no file of the host gets another owner, a set-user-ID bit, or the nature of a device by it. Files of the user
 * who runs the machine belong to root until the guest says otherwise.
 */
export class Owners {
  readonly #host: HostOwner;
  readonly #owned = new Map<bigint, Owned>();

  constructor(host: HostOwner) {
    this.#host = host;
  }

  /** Everything written down, to be saved. */
  get entries(): readonly (readonly [identity: bigint, owned: Owned])[] {
    return [...this.#owned];
  }

  /** Adds what was saved. What is written down already stays: files keep their owners when the guest starts anew. */
  restore(entries: readonly (readonly [bigint, Owned])[]): void {
    for (const [identity, owned] of entries) this.#owned.set(identity, owned);
  }

  /** What the guest sees of a file. */
  seen(facts: FileFacts): Required<Owned> {
    const { mode, uid, gid, device = [0, 0] } = this.#owned.get(facts.identity) ?? {};
    return {
      mode: mode ?? facts.mode,
      uid: uid ?? (facts.uid === this.#host.uid ? 0 : facts.uid),
      gid: gid ?? (facts.gid === this.#host.gid ? 0 : facts.gid),
      device,
    };
  }

  /** Writes down what a new file is, whatever one of the same identity was that is gone. */
  make(facts: FileFacts, owned: Owned): void {
    this.#owned.set(facts.identity, owned);
  }

  /** Writes down what a guest wants a file to be. */
  own(facts: FileFacts, owned: Owned): void {
    this.#owned.set(facts.identity, { ...this.#owned.get(facts.identity), ...owned });
  }

  /** Forgets a file whose last name is about to go: its identity may be another's later. */
  beforeRemoval(folder: SharedFolder, path: SharedPath): void {
    const facts = folder.facts(path);
    if (facts.kind === 'folder' || facts.links <= 1) this.#owned.delete(facts.identity);
  }
}
