// What the compiler does not see: promises nobody waits for, values nobody checked, functions nobody can read.
import tseslint from 'typescript-eslint'

// test/tidy.test.ts holds the rules about files and layers; here are those about statements.
const functionLinesMax = 70
const fileLinesMax = 600

export default tseslint.config(
  { ignores: ['dist/', 'native/', 'build/', 'build-*/', '.cache/', 'node_modules/', 'coverage/'] },
  {
    files: ['**/*.ts'],
    extends: [tseslint.configs.recommendedTypeChecked],
    languageOptions: { parserOptions: { projectService: true, tsconfigRootDir: import.meta.dirname } },
    linterOptions: { reportUnusedDisableDirectives: 'error' },
    rules: {
      '@typescript-eslint/consistent-type-imports': 'error',
      '@typescript-eslint/no-explicit-any': 'error',
      '@typescript-eslint/no-floating-promises': ['error', {
        // node:test keeps track of its own promises.
        allowForKnownSafeCalls: [{ from: 'package', package: 'node:test', name: ['test', 'it', 'describe', 'suite'] }]
      }],
      '@typescript-eslint/no-misused-promises': 'error',
      '@typescript-eslint/no-non-null-assertion': 'error',
      '@typescript-eslint/no-unused-vars': ['error', { argsIgnorePattern: '^_', varsIgnorePattern: '^_' }],
      '@typescript-eslint/only-throw-error': 'error',
      '@typescript-eslint/restrict-template-expressions': ['error', { allowNumber: true, allowBoolean: true }],
      '@typescript-eslint/return-await': ['error', 'error-handling-correctness-only'],
      '@typescript-eslint/switch-exhaustiveness-check': ['error', { considerDefaultExhaustiveForUnions: true }],
      // An async method of an interface may have nothing to wait for.
      '@typescript-eslint/require-await': 'off'
    }
  },
  {
    files: ['src/**/*.ts', 'lab/**/*.ts', 'demo/**/*.ts', 'bench/**/*.ts'],
    rules: { 'max-lines-per-function': ['error', { max: functionLinesMax, skipComments: true, skipBlankLines: true }] }
  },
  {
    files: ['test/**/*.ts', 'demo/**/*.ts', 'bench/**/*.ts'],
    rules: { '@typescript-eslint/no-non-null-assertion': 'off' }
  },
  {
    files: ['**/*.ts', '**/*.mjs', '**/*.js'],
    rules: {
      eqeqeq: ['error', 'always'],
      'max-lines': ['error', { max: fileLinesMax }],
      'no-control-regex': 'error',
      'no-self-compare': 'error',
      'no-template-curly-in-string': 'error',
      'no-unreachable-loop': 'error',
      'no-unsafe-finally': 'error',
      'no-var': 'error',
      'object-shorthand': 'error',
      'prefer-const': 'error',
      semi: ['error', 'never'],
      quotes: ['error', 'single', { avoidEscape: true, allowTemplateLiterals: true }]
    }
  },
  {
    files: ['src/core/**/*.ts', 'src/config/**/*.ts', 'src/engine/**/*.ts', 'src/lrm/**/*.ts', 'src/daemon/**/*.ts'],
    rules: { 'no-console': 'error' }
  }
)
