import { InstallError } from '../../installer/core/errors.ts';

/** The InstallError a function throws; anything else fails the test. */
export function thrownBy(run: () => unknown): InstallError {
  try {
    run();
  } catch (error) {
    if (error instanceof InstallError) return error;
    throw error;
  }
  throw new Error('this should have thrown');
}

/** Everything of a failure that a reader may get to see. */
export function visible(error: InstallError): string {
  const causes: string[] = [];
  for (let cause: unknown = error.cause; cause instanceof Error; cause = cause.cause) causes.push(cause.message);
  return [error.message, error.fix, JSON.stringify(error.details), ...causes].join('\n');
}
