// Signs in through a provider that is not ours, in a real Chromium. One JSON line a check.
//
// node external.cjs BASE_URL CHROMIUM [SCREENSHOT_FOLDER]
'use strict'
const path = require('node:path')
const fs = require('node:fs')
const { chromium } = require('playwright-core')
const axeSource = fs.readFileSync(require.resolve('axe-core/axe.min.js'), 'utf8')

const [base, executablePath, shots] = process.argv.slice(2)
let failed = 0
function check (name, ok, why = '') {
  if (!ok) failed += 1
  console.log(JSON.stringify({ check: name, ok: Boolean(ok), why: String(why).slice(0, 1500) }))
}

async function looked (page, name) {
  for (const size of [{ width: 1280, height: 900 }, { width: 320, height: 700 }]) {
    await page.setViewportSize(size)
    await page.evaluate(axeSource)
    const found = await page.evaluate(async () => {
      const result = await window.axe.run(document, { runOnly: { type: 'tag', values: ['wcag2a', 'wcag2aa', 'wcag21a', 'wcag21aa', 'wcag22aa'] } })
      return result.violations.map(v => v.id + ': ' + v.nodes.slice(0, 3).map(n => n.target.join(' ')).join(' | '))
    })
    check(`axe ${name} at ${size.width}`, found.length === 0, found.join('; '))
    const wide = await page.evaluate(() => document.documentElement.scrollWidth)
    check(`no sideways scroll on ${name} at ${size.width}`, wide <= size.width, wide)
    if (shots) await page.screenshot({ path: path.join(shots, `${name}-${size.width}.png`), fullPage: true })
  }
  await page.setViewportSize({ width: 1280, height: 900 })
  check('one h1 on ' + name, await page.locator('h1').count() === 1)
  check('no name or number in the address of ' + name, !/999 ?000|Adeyemi/i.test(page.url() + await page.title()), page.url())
}

async function fresh (browser) {
  const context = await browser.newContext({ javaScriptEnabled: true })
  return context.newPage()
}

async function signIn (page, id) {
  await page.goto(base + '/staff/login')
  await page.locator('a:has-text("Continue")').first().click()
  await page.locator('#as-' + id).click()
}

async function main () {
  const browser = await chromium.launch({ executablePath, args: ['--no-sandbox'] })
  try {
    // Given a nurse whom only the provider knows; when she signs in; then she is a district nurse here
    let page = await fresh(browser)
    await signIn(page, '555000000001')
    check('a nurse of the provider finds people', page.url() === base + '/staff/find', page.url())
    check('with her name and role from the claims', /Ines Carver/.test(await page.textContent('body')) && /District nurse/.test(await page.textContent('body')))
    // When she opens protected information; then she is asked again, and loses nothing
    await page.fill('#nhs-number', '999 000 0034')
    await page.locator('form button:has-text("Find")').first().click()
    const emergency = page.url().replace('/confirm/', '/emergency/')
    await page.goto(emergency)
    await page.check('#ground-risk-to-life')
    await page.fill('#text', 'unconscious at home, nobody to ask')
    await page.waitForTimeout(1100)
    await page.locator('main button[type="submit"]').click()
    check('protected information asks who it is', page.url().includes('/staff/step-up/'), page.url())
    await looked(page, 'step-up')
    await page.locator('a:has-text("Continue")').click()
    check('the provider asks again', await page.textContent('#prompt') === 'login', page.url())
    await page.locator('#as-555000000001').click()
    check('the answers were kept', page.url().includes('/staff/kept/'), page.url())
    await looked(page, 'kept')
    // What was kept goes where it was going
    const [answer] = await Promise.all([page.waitForNavigation(), page.locator('button:has-text("Go on")').click()])
    check('and are taken', answer.status() === 200 && page.url().includes('/staff/record/'), page.url())
    // Given a doctor with two roles; then she chooses one
    page = await fresh(browser)
    await signIn(page, '555000000002')
    check('somebody with two roles chooses', page.url() === base + '/staff/role', page.url())
    await page.locator('main input[type="radio"]').nth(1).check()
    await page.locator('main button[type="submit"]').click()
    check('and begins', page.url() === base + '/staff/find', page.url())
    // A weak sign-in, and a role where nobody takes part
    for (const [id, words] of [['555000000003', 'You were not logged in'], ['555000000004', 'You cannot use Connect Care yet']]) {
      page = await fresh(browser)
      await signIn(page, id)
      check(words, (await page.textContent('h1')).includes(words), await page.textContent('h1'))
      await page.goto(base + '/staff/find')
      check('and nothing is open: ' + words, page.url().includes('/staff/login'), page.url())
      if (shots) await page.screenshot({ path: path.join(shots, `refused-${id}.png`) })
    }
  } finally {
    await browser.close()
  }
  process.exit(failed ? 1 : 0)
}
main().catch(error => { check('the journey ran to its end', false, error.stack); process.exit(1) })
