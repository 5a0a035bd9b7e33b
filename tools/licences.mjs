// Reads `cargo metadata` on standard input and fails when a package has a licence outside the list.
const allowed = new Set([
  '0BSD', 'Apache-2.0', 'Apache-2.0 WITH LLVM-exception', 'BSD-1-Clause', 'BSD-2-Clause', 'BSD-3-Clause', 'BSL-1.0',
  'CC0-1.0', 'CDLA-Permissive-2.0', 'ISC', 'MIT', 'MIT-0', 'Unicode-3.0', 'Unlicense', 'Zlib',
])

/** Whether an SPDX expression can be met by the list. */
function fits(expression) {
  const tokens = expression.replaceAll('/', ' OR ').match(/\(|\)|\bAND\b|\bOR\b|[\w.+-]+(?: WITH [\w.+-]+)?/g) ?? []
  let place = 0
  const one = () => {
    const token = tokens[place++]
    if (token !== '(') return allowed.has(token)
    const inside = either()
    place++
    return inside
  }
  const both = () => {
    let all = one()
    while (tokens[place] === 'AND') { place++; all = one() && all }
    return all
  }
  const either = () => {
    let any = both()
    while (tokens[place] === 'OR') { place++; any = both() || any }
    return any
  }
  return either()
}

let text = ''
for await (const chunk of process.stdin) text += chunk
const packages = JSON.parse(text).packages
const bad = packages.filter((one) => !fits(one.license ?? ''))
for (const one of bad) console.error(`${one.name} ${one.version}: ${one.license ?? 'no licence named'}; replace it, or add its licence to tools/licences.mjs with a reason`)
console.log(`licences: ${packages.length} packages, ${bad.length} outside the list`)
process.exit(bad.length === 0 ? 0 : 1)
