import type { Comparison } from './speeds.ts';

const WIDTH = 860;
const LEFT = 150;
const RIGHT = 60;
const BAR = 9;
const GAP = 8;
const TOP = 60;
const COLOURS = ['#2f6fbb', '#c46a1b', '#5b8f3a'];
/** Ends of the axis, and where it has lines. */
const [SLOWEST, FASTEST] = [0.1, 20];
const LINES = [0.1, 0.2, 0.5, 1, 2, 5, 10, 20];

/** A chart of how many times as fast as its peers a machine is: a bar a row and a peer, on a logarithmic axis. */
export function drawChart(title: string, comparisons: readonly Comparison[]): string {
  const rows = [...new Set(comparisons.flatMap(({ rows }) => [...rows.keys()]))];
  const rowHeight = BAR * comparisons.length + GAP;
  const height = TOP + rows.length * rowHeight + 20;
  const parts = [
    `<svg xmlns="http://www.w3.org/2000/svg" width="${WIDTH}" height="${height}" font-family="sans-serif" font-size="11">`,
    `<title>${escapeXml(title)}</title>`,
    '<rect width="100%" height="100%" fill="white"/>',
    `<text x="10" y="20" font-size="14">${escapeXml(title)}</text>`,
    ...comparisons.map(({ with: peer }, n) => legend(peer, n)),
    ...LINES.map((factor) => gridLine(factor, height)),
    ...rows.flatMap((row, n) => drawRow(row, TOP + n * rowHeight, comparisons)),
    '</svg>',
  ];
  return `${parts.join('\n')}\n`;
}

function drawRow(row: string, top: number, comparisons: readonly Comparison[]): string[] {
  const middle = top + (BAR * comparisons.length) / 2 + 4;
  const bars = comparisons.map(({ rows }, n) => {
    const factor = rows.get(row);
    if (factor === undefined) return '';
    const [from, to] = [xOf(1), xOf(factor)].sort((a, b) => a - b);
    const y = top + n * BAR;
    const bar = `<rect x="${from.toFixed(1)}" y="${y}" width="${(to - from).toFixed(1)}" height="${BAR - 1}" fill="${COLOURS[n % COLOURS.length]}"/>`;
    return `${bar}<text x="${(to + 3).toFixed(1)}" y="${y + BAR - 1}" font-size="9">${factor.toFixed(2)}</text>`;
  });
  return [`<text x="${LEFT - 8}" y="${middle}" text-anchor="end">${escapeXml(row)}</text>`, ...bars];
}

function legend(peer: string, n: number): string {
  const x = LEFT + n * 200;
  const text = `<text x="${x + 14}" y="44">times as fast as ${escapeXml(peer)}</text>`;
  return `<rect x="${x}" y="35" width="10" height="10" fill="${COLOURS[n % COLOURS.length]}"/>${text}`;
}

function gridLine(factor: number, height: number): string {
  const x = xOf(factor).toFixed(1);
  const colour = factor === 1 ? '#444' : '#ddd';
  return `<line x1="${x}" y1="${TOP - 6}" x2="${x}" y2="${height - 16}" stroke="${colour}"/><text x="${x}" y="${height - 4}" text-anchor="middle" fill="#666">${factor}</text>`;
}

function xOf(factor: number): number {
  const clamped = Math.min(FASTEST, Math.max(SLOWEST, factor));
  return LEFT + ((WIDTH - LEFT - RIGHT) * Math.log(clamped / SLOWEST)) / Math.log(FASTEST / SLOWEST);
}

function escapeXml(text: string): string {
  return text.replaceAll('&', '&amp;').replaceAll('<', '&lt;');
}
