import { existsSync } from 'node:fs';
import { finish, start } from './processes.ts';

/** The parts of Debian's archive; other sources have parts of other names, and other keys. */
const COMPONENTS = ['main', 'contrib', 'non-free', 'non-free-firmware'];
/** What a release consists of besides itself. */
const PARTS = ['', '-updates', '-security'];
const KEYRING = '/usr/share/keyrings/debian-archive-keyring.gpg';
const FORMAT = '$(REPO_URI) $(RELEASE) $(COMPONENT) $(ORIGIN)';

/** The lines of a sources.list for a release of Debian, by the mirrors that this host has for its own.
 * @param release code name of the wanted one  @param ownRelease of this host's; undefined: it is no Debian
 * @returns none where the host has no such mirrors, or no apt */
export async function hostSources(release: string, ownRelease: string | undefined): Promise<string[]> {
  if (ownRelease === undefined) return [];
  const list = start('apt-get', ['indextargets', '--format', FORMAT, 'Identifier: Packages']);
  const targets = await finish(list).catch(() => '');
  return sourcesOf(targets.toString(), release, ownRelease, existsSync(KEYRING) ? KEYRING : undefined);
}

/** @param targets what apt says it fetches: lines of URI, release, component and (where it knows) origin
 * @param keyring a file of Debian's keys */
export function sourcesOf(targets: string, release: string, ownRelease: string, keyring?: string): string[] {
  const options = keyring === undefined ? '' : `[signed-by=${keyring}] `;
  const lines = targets.split('\n').flatMap((target) => {
    const [uri, suite = '', component, origin] = target.split(' ');
    const part = PARTS.find((candidate) => suite === ownRelease + candidate);
    const isDebians = COMPONENTS.includes(component) && (origin === 'Debian' || origin === '$(ORIGIN)');
    return isDebians && part !== undefined ? [`deb ${options}${uri} ${release}${part} ${component}`] : [];
  });
  return [...new Set(lines)];
}

/** The environment variables by which this host's own apt reaches its sources. */
export async function hostProxies(): Promise<NodeJS.ProcessEnv> {
  const proxies: NodeJS.ProcessEnv = {};
  for (const scheme of ['http', 'https']) {
    const dump = start('apt-config', ['dump', '--format', '%v', `Acquire::${scheme}::Proxy`]);
    const proxy = (await finish(dump).catch(() => '')).toString().trim();
    if (proxy !== '') proxies[`${scheme}_proxy`] = proxy;
  }
  return proxies;
}
