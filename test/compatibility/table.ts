import { copyFile, mkdir, readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { projectRoot } from '../source-files.ts';
import { type Firmware, GUESTS, type Guest } from './guests.ts';
import { type GuestResult, resultName } from './results.ts';

const DOCUMENT = join(projectRoot, 'docs/compatibility.md');
/** Where outcomes of all runs are kept, since a run may be of a few guests only. */
const OUTCOMES = join(projectRoot, 'docs/compatibility/outcomes.json');
const PICTURES = join(projectRoot, 'docs/compatibility');
const FIRMWARE_NAMES: Readonly<Record<Firmware, string>> = {
  builtin: 'built-in BIOS',
  seabios: 'SeaBIOS',
  own: 'its own',
};
const PICTURE_WIDTH = 320;

const HEAD = `# Compatibility

Made by \`npm run guests\`, which boots each system headless from its own unmodified media, does what a person would do
and judges by the text and the pixels of the screen. "Works" means that it reached all that the second column says.

`;

type Outcomes = Record<string, Pick<GuestResult, 'outcome' | 'reason'>>;

/** Writes the table of what runs, from these results and those kept of earlier runs, with a screenshot for each guest. */
export async function writeTable(folder: string, results: readonly GuestResult[]): Promise<void> {
  await mkdir(PICTURES, { recursive: true });
  const text = await readFile(OUTCOMES, 'utf8').catch(() => '{}');
  const outcomes = JSON.parse(text) as Outcomes;
  for (const { guest, firmware, outcome, reason } of results) {
    if (outcome !== 'skipped') outcomes[resultName(guest, firmware)] = { outcome, reason };
    if (outcome === 'works') await keepPicture(folder, guest, firmware);
  }
  await writeFile(
    OUTCOMES,
    `${JSON.stringify(outcomes, Object.keys(outcomes).sort().concat('outcome', 'reason'), 2)}\n`,
  );
  const rows = GUESTS.map((guest) => rowOf(guest, outcomes));
  const columns = ['| system | reaches | firmware | screen |', '|---|---|---|---|'];
  await writeFile(DOCUMENT, `${HEAD}${[...columns, ...rows].join('\n')}\n`);
}

/** One picture a guest is enough: that under the first of its firmware. */
async function keepPicture(folder: string, guest: string, firmware: Firmware): Promise<void> {
  const row = GUESTS.find(({ name }) => name === guest);
  if (row?.firmware[0] !== firmware) return;
  await copyFile(join(folder, `${resultName(guest, firmware)}.png`), join(PICTURES, `${guest}.png`));
}

function rowOf({ name, title, source, reaches, firmware }: Guest, outcomes: Outcomes): string {
  const told = firmware.map((kind) => {
    const { outcome, reason } = outcomes[resultName(name, kind)] ?? { outcome: 'not run to its end yet' };
    return `${FIRMWARE_NAMES[kind]}: ${outcome}${reason === undefined ? '' : ` (${reason.replaceAll('|', '\\|')})`}`;
  });
  const isShown = outcomes[resultName(name, firmware[0])]?.outcome === 'works';
  const picture = isShown ? `<img src="compatibility/${name}.png" width="${PICTURE_WIDTH}" alt="${title}">` : '';
  return `| ${title} (${source}) | ${reaches} | ${told.join('<br>')} | ${picture} |`;
}
