import { spawn } from 'node:child_process';
import { fileURLToPath } from 'node:url';
import type { StageOrder } from './stage-child.ts';

const CHILD = fileURLToPath(new URL('stage-child.ts', import.meta.url));

export interface StageExit {
  readonly code: number | null;
  readonly signal: NodeJS.Signals | null;
  /** What the child printed: `{found}` or `{reason, details}`. */
  readonly report: { readonly found?: string; readonly reason?: string; readonly details?: Record<string, unknown> };
  readonly stderr: string;
}

/** Runs the stage layer in a process of its own. */
export async function stageProcess(order: StageOrder): Promise<StageExit> {
  const child = spawn(process.execPath, [CHILD, JSON.stringify(order)], { stdio: ['ignore', 'pipe', 'pipe'] });
  const out: Buffer[] = [];
  const err: Buffer[] = [];
  child.stdout.on('data', (chunk: Buffer) => out.push(chunk));
  child.stderr.on('data', (chunk: Buffer) => err.push(chunk));
  return new Promise((resolve, reject) => {
    child.on('error', reject);
    child.on('close', (code, signal) => {
      const text = Buffer.concat(out).toString();
      const report = text === '' ? {} : (JSON.parse(text) as StageExit['report']);
      resolve({ code, signal, report, stderr: Buffer.concat(err).toString() });
    });
  });
}
