/** The logical source of a reference, parsed; `allowedSources` and redirects compare these and never raw strings. */
export type Origin =
  | { readonly scheme: 'oci'; readonly host: string; readonly port: number; readonly segments: readonly string[] }
  | { readonly scheme: 'npm'; readonly name: string; readonly registry: string }
  | {
      readonly scheme: 'https' | 'http';
      readonly host: string;
      readonly port: number;
      readonly segments: readonly string[];
    }
  | { readonly scheme: 'file'; readonly path: string };
