// A reviewer shows a past page again, in a real Chromium. One JSON line a check, as journey.cjs.
//
// node replay.cjs BASE_URL CHROMIUM ENTRY [SCREENSHOT_FOLDER]
'use strict'
const path = require('node:path')
const fs = require('node:fs')
const { chromium } = require('playwright-core')
const axeSource = fs.readFileSync(require.resolve('axe-core/axe.min.js'), 'utf8')

const [base, executablePath, entry, shots] = process.argv.slice(2)
let failed = 0
function check (name, ok, why = '') {
  if (!ok) failed += 1
  console.log(JSON.stringify({ check: name, ok: Boolean(ok), why: String(why).slice(0, 1500) }))
}

async function look (page, name) {
  await page.evaluate(axeSource)
  const found = await page.evaluate(async () => {
    const result = await window.axe.run(document, { runOnly: { type: 'tag', values: ['wcag2a', 'wcag2aa', 'wcag21a', 'wcag21aa', 'wcag22aa'] } })
    return result.violations.map(v => v.id + ': ' + v.nodes.slice(0, 3).map(n => n.target.join(' ')).join(' | '))
  })
  check('axe ' + name, found.length === 0, found.join('; '))
  check('one h1 on ' + name, await page.locator('h1').count() === 1)
  for (const width of [1280, 320]) {
    await page.setViewportSize({ width, height: 900 })
    const wide = await page.evaluate(() => document.documentElement.scrollWidth > document.documentElement.clientWidth)
    check(`${name} fits ${width} pixels`, !wide)
    if (shots) await page.screenshot({ path: path.join(shots, `${name}-${width}.png`), fullPage: width > 400 })
  }
  await page.setViewportSize({ width: 1280, height: 900 })
}

async function main () {
  const browser = await chromium.launch({ executablePath, args: ['--no-sandbox'] })
  const context = await browser.newContext({ javaScriptEnabled: true })
  const page = await context.newPage()
  page.setDefaultTimeout(120000)
  await page.goto(base + '/staff/login')
  await page.locator('a:has-text("Continue")').first().click()
  await page.locator('button[name="user"][value="privacy-officer"]').click()
  if (page.url().includes('/staff/role')) await page.locator('main button[type="submit"]').first().click()
  await page.goto(base + '/ig')
  await page.locator('a:has-text("Past pages")').first().click()
  await look(page, 'replay-form')
  await page.locator('main button[type="submit"]').click()
  check('an empty form says what is missing', (await page.textContent('main')).includes('Enter the number'))
  await look(page, 'replay-error')
  await page.fill('#entry', entry)
  await page.fill('#because', 'Complaint 12 of the person')
  await page.locator('main button[type="submit"]').click()
  check('the page is shown and said to be exact', (await page.content()).includes('exactly what was shown'))
  await look(page, 'replay-page')
  await browser.close()
}

main().then(() => process.exit(failed ? 1 : 0), error => { check('the journey runs', false, error.stack); process.exit(1) })
