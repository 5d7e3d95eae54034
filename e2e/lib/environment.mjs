// The environment of programs that tests start: settings of the caller's shell must not reach them.

/** This process's environment without settings of nodes, and with `more`. */
export function environment(more = {}) {
  const inherited = Object.entries(process.env).filter(([name]) => !/^(GP|FLY|OTEL)_/.test(name));
  return { ...Object.fromEntries(inherited), ...more };
}
