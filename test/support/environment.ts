/** Runs before every test file: nothing of the machine's environment may reach a test (docs/testing.md, "Environment"). */
const CLEARED =
  /^(?:npm_config_|.*_proxy$|no_proxy$|node_options$|node_extra_ca_certs$|node_tls_|docker_config$|registry_auth_file$|portal_plugins_|ssl_cert_)/i;

for (const name of Object.keys(process.env)) if (CLEARED.test(name)) delete process.env[name];
