// Parameters whose name looks like a password never leave the process in readable form, except in
// the environment of the agent that needs them.

const SECRET_NAME = /passw/i
/** Shorter values occur everywhere by chance; masking them would destroy the text. */
const SECRET_LENGTH_MIN = 4
const MASK = '********'

export const isSecretName = (name: string): boolean => SECRET_NAME.test(name)

export function maskParameters(
  parameters: Readonly<Record<string, string>>,
): Record<string, string> {
  return Object.fromEntries(
    Object.entries(parameters).map(([name, value]) => [name, isSecretName(name) ? MASK : value]),
  )
}

/** An agent may print what it was given (`set -x` does); results are logged and shown. */
export function maskText(text: string, parameters: Readonly<Record<string, string>>): string {
  let masked = text
  for (const [name, value] of Object.entries(parameters)) {
    if (!isSecretName(name) || value.length < SECRET_LENGTH_MIN) continue
    masked = masked.replaceAll(value, MASK)
  }
  return masked
}
