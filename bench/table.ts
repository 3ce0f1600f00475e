/** Figures and verdicts as text; pure. */
import {
  BARE_NODE,
  FLOOR,
  OURS_NPM,
  OURS_OCI,
  OURS_WARM,
  OURS_WARM_CACHED,
  PEER_NPM,
  PEER_SKOPEO,
} from './contestants.ts';
import type { Sample } from './measure.ts';

interface Target {
  readonly what: string;
  /** Undefined when one side did not take part. */
  readonly value: number | undefined;
  readonly unit: string;
  readonly limit: number;
  readonly isAtMost: boolean;
}

/** The table of one set and, below it, every ratio with its target (docs/performance.md, "Targets"). */
export function renderSet(medians: ReadonlyMap<string, Sample>): string {
  const floor = medians.get(FLOOR);
  const rows = [...medians].map(([name, sample]) => [
    name,
    seconds(sample.wallMs),
    seconds(sample.cpuMs),
    `${(sample.peakBytes / 1e6).toFixed(0)} MB`,
    String(sample.requests),
    floor === undefined ? '' : (sample.wallMs / floor.wallMs).toFixed(2),
    floor === undefined ? '' : (sample.cpuMs / floor.cpuMs).toFixed(2),
  ]);
  const table = align([['', 'wall', 'CPU', 'peak memory', 'requests', 'wall ÷ floor', 'CPU ÷ floor'], ...rows]);
  const verdicts = targets(medians).flatMap((target) => verdictOf(target));
  return `${table}\n\n${align([['ratio', 'is', 'target', ''], ...verdicts])}`;
}

function targets(medians: ReadonlyMap<string, Sample>): readonly Target[] {
  const ratio = (of: string, to: string, pick: 'wallMs' | 'cpuMs'): number | undefined => {
    const [above, below] = [medians.get(of), medians.get(to)];
    return above === undefined || below === undefined ? undefined : above[pick] / below[pick];
  };
  const warm = medians.get(OURS_WARM);
  const bare = medians.get(BARE_NODE);
  const aboveBare = (name: string): number | undefined => {
    const sample = medians.get(name);
    return sample === undefined || bare === undefined ? undefined : sample.wallMs - bare.wallMs;
  };
  const peak = [OURS_OCI, OURS_NPM].map((name) => medians.get(name)?.peakBytes ?? 0);
  const atMost = { unit: '', isAtMost: true };
  const atLeast = { unit: '×', isAtMost: false };
  return [
    { what: 'cold OCI, wall ÷ floor', value: ratio(OURS_OCI, FLOOR, 'wallMs'), limit: 0.85, ...atMost },
    { what: 'cold npm, wall ÷ floor', value: ratio(OURS_NPM, FLOOR, 'wallMs'), limit: 0.85, ...atMost },
    { what: 'cold OCI, CPU ÷ floor', value: ratio(OURS_OCI, FLOOR, 'cpuMs'), limit: 0.6, ...atMost },
    { what: 'cold npm, CPU ÷ floor', value: ratio(OURS_NPM, FLOOR, 'cpuMs'), limit: 0.6, ...atMost },
    { what: 'faster than skopeo copy + node-tar', value: ratio(PEER_SKOPEO, OURS_OCI, 'wallMs'), limit: 5, ...atLeast },
    { what: 'faster than npm pack + node-tar', value: ratio(PEER_NPM, OURS_NPM, 'wallMs'), limit: 9, ...atLeast },
    { what: 'warm start above bare node', value: aboveBare(OURS_WARM), unit: ' ms', limit: 100, isAtMost: true },
    {
      what: 'same, with the compile cache',
      value: aboveBare(OURS_WARM_CACHED),
      unit: ' ms',
      limit: 100,
      isAtMost: true,
    },
    { what: 'requests of a warm start', value: warm?.requests, unit: '', limit: 0, isAtMost: true },
    { what: 'peak memory', value: Math.max(...peak) / 1e6, unit: ' MB', limit: 160, isAtMost: true },
  ];
}

function verdictOf(target: Target): string[][] {
  if (target.value === undefined) return [];
  const isMet = target.isAtMost ? target.value <= target.limit : target.value >= target.limit;
  const digits = target.unit === ' ms' || target.unit === ' MB' ? 0 : 2;
  const limit = `${target.isAtMost ? '≤' : '≥'} ${target.limit}${target.unit}`;
  return [[target.what, `${target.value.toFixed(digits)}${target.unit}`, limit, isMet ? 'met' : 'MISSED']];
}

const seconds = (ms: number): string => `${(ms / 1000).toFixed(ms < 1000 ? 3 : 2)} s`;

/** Columns padded to the widest cell; the first to the left, the others to the right. */
function align(rows: readonly (readonly string[])[]): string {
  const widths = rows[0]?.map((_, column) => Math.max(...rows.map((row) => row[column]?.length ?? 0))) ?? [];
  const pad = (cell: string, column: number): string =>
    column === 0 ? cell.padEnd(widths[column] ?? 0) : cell.padStart(widths[column] ?? 0);
  return rows.map((row) => row.map(pad).join('  ').trimEnd()).join('\n');
}
