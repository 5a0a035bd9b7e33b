// Extracts in a real Chromium: asked for, checked, approved by two others, run, fetched, verified.
// One JSON line a check on standard output. Exit 0 when every check passed.
//
// node releases.cjs BASE_URL CHROMIUM FOLDER [SCREENSHOT_FOLDER]
// FOLDER receives the files of the release, in FOLDER/release.
'use strict'
const path = require('node:path')
const fs = require('node:fs')
const { chromium } = require('playwright-core')
const axeSource = fs.readFileSync(require.resolve('axe-core/axe.min.js'), 'utf8')

const [base, executablePath, folder, shots] = process.argv.slice(2)
let failed = 0
function check (name, ok, why = '') {
  if (!ok) failed += 1
  console.log(JSON.stringify({ check: name, ok: Boolean(ok), why: String(why).slice(0, 1500) }))
}

async function signIn (browser, user) {
  const context = await browser.newContext({ javaScriptEnabled: true, viewport: { width: 1280, height: 900 }, acceptDownloads: true })
  const page = await context.newPage()
  await page.goto(base + '/staff/login')
  await page.locator('a:has-text("Continue")').first().click()
  await page.locator(`button[name="user"][value="${user}"]`).click()
  if (page.url().includes('/staff/role')) await page.locator('main button[type="submit"]').first().click()
  return page
}

async function sound (page, name) {
  await page.evaluate(axeSource)
  const found = await page.evaluate(async () => {
    const result = await window.axe.run(document, { runOnly: { type: 'tag', values: ['wcag2a', 'wcag2aa', 'wcag21a', 'wcag21aa', 'wcag22aa'] } })
    return result.violations.map(v => v.id + ': ' + v.nodes.slice(0, 3).map(n => n.target.join(' ')).join(' | '))
  })
  check('axe ' + name, found.length === 0, found.join('; '))
  check('one h1 on ' + name, await page.locator('h1').count() === 1)
  for (const width of [1280, 320]) {
    await page.setViewportSize({ width, height: 900 })
    const seen = await page.evaluate(() => {
      const limit = window.innerWidth
      const out = [...document.querySelectorAll('body *')].filter(e => e.getBoundingClientRect().right > limit + 1 && !e.closest('.cc-scroll')).slice(0, 4)
      return { wide: document.documentElement.scrollWidth, limit, out: out.map(e => e.tagName + '.' + e.className) }
    })
    check(`no sideways scroll at ${width}px on ${name}`, seen.wide <= seen.limit, seen.wide + ' ' + seen.out.join('; '))
    if (shots) await page.screenshot({ path: path.join(shots, `${name.replace(/\W+/g, '-')}-${width}.png`), fullPage: true })
  }
  await page.setViewportSize({ width: 1280, height: 900 })
}

async function ask (page, project, change = async () => {}) {
  await page.goto(base + '/ig/extracts/new')
  await page.fill('#title', 'Long-term conditions')
  await page.selectOption('#purpose', 'planning')
  await page.fill('#purpose_words', 'To plan clinics where people live.')
  await page.fill('#destination', 'South East London planning team')
  await page.fill('#project', project)
  await page.selectOption('#legal_basis', 's251_reg5')
  await page.fill('#evidence', 'CAG letter 26/CAG/0001, kept by the programme')
  await page.check('#evidence_held')
  for (const value of ['demographics', 'problems', 'results']) await page.check(`input[name="categories"][value="${value}"]`)
  await page.check('#ndjson')
  for (const value of ['patients', 'conditions']) await page.check(`input[name="tables"][value="${value}"]`)
  await change(page)
  await page.locator('button:has-text("Ask and check")').click()
}

async function settle (page) {
  for (let tries = 0; tries < 40; tries++) {
    if (!(await page.locator('text=Waiting for the opt-out check').count())) return
    await page.waitForTimeout(1500)
    await page.locator('button:has-text("Check again")').click()
  }
}

async function approve (page, address) {
  await page.goto(address)
  await page.check('#read')
  await page.locator('button:has-text("Approve")').click()
}

async function main () {
  const browser = await chromium.launch({ executablePath, args: ['--no-sandbox'] })
  const analyst = await signIn(browser, 'analyst')
  await analyst.goto(base + '/planning')
  check('the planning page shows charts', await analyst.locator('svg.cc-bars').count() >= 4)
  const shown = await analyst.locator('.cc-figures').allTextContents()
  check('no count of 1 to 7 is shown', shown.every(text => !/^[1-7]$/.test(text.trim())), shown.join(' '))
  await sound(analyst, 'planning')

  await analyst.goto(base + '/ig/extracts/new')
  await analyst.locator('button:has-text("Ask and check")').click()
  check('an empty request says what to mend', await analyst.locator('.nhsuk-error-summary li').count() >= 5)
  await sound(analyst, 'request with errors')

  await ask(analyst, 'journey-1')
  check('the request is kept and checked', /\/ig\/extracts\/\d+$/.test(analyst.url()), analyst.url())
  await settle(analyst)
  const address = analyst.url()
  const body = await analyst.locator('main').innerText()
  check('the checks passed', body.includes('Waiting for two approvals'), body.slice(0, 1200))
  check('the preview is of counts', body.includes('People who may leave'))
  await sound(analyst, 'extract checked')
  check('the one who asked cannot approve', await analyst.locator('button:has-text("Approve")').count() === 0)

  const officer = await signIn(browser, 'ig-officer')
  await officer.goto(address)
  await officer.locator('button:has-text("Approve")').click()
  check('an approval without reading is not taken', (await officer.locator('.nhsuk-error-summary').innerText()).includes('read'))
  await approve(officer, address)
  check('one approval is not enough', (await officer.locator('main').innerText()).includes('Waiting for the second approval'))
  const guardian = await signIn(browser, 'caldicott-guardian')
  await approve(guardian, address)
  check('two approvals are', (await guardian.locator('main').innerText()).includes('Approved, not yet run'))
  await guardian.locator('button:has-text("Run")').click()
  check('the release is sealed', (await guardian.locator('main').innerText()).includes('Released'))
  check('only whoever asked fetches files', await guardian.locator('a[href*="/files/"]').count() === 0)
  await guardian.locator('button:has-text("Verify the sealed files")').click()
  check('it verifies', (await guardian.locator('h1').innerText()).includes('The release holds'), await guardian.locator('main').innerText())

  await analyst.goto(address)
  await sound(analyst, 'extract released')
  const target = path.join(folder, 'release')
  fs.mkdirSync(target, { recursive: true })
  const names = await analyst.locator('a[href*="/files/"]').allTextContents()
  for (const name of names) {
    const [download] = await Promise.all([analyst.waitForEvent('download'), analyst.locator(`a[href$="/files/${name}"]`).click()])
    await download.saveAs(path.join(target, name))
  }
  check('every file was fetched', names.length >= 8 && names.includes('certificate.txt'), names.join(' '))
  const all = names.map(name => fs.readFileSync(path.join(target, name), 'latin1')).join('\n')
  check('Jacob Stern is not named in any file', !/Stern|Jacob|999 ?000 ?0107/.test(all))
  await analyst.goto(base + '/ig/extracts')
  await sound(analyst, 'list of extracts')
  await analyst.goto(base + '/ig/extracts/register')
  check('the register names it', (await analyst.locator('main').innerText()).includes('Long-term conditions'))
  await sound(analyst, 'register')
  await ask(analyst, 'journey-1', async page => { await page.fill('#youngest', '200') })
  check('an age that cannot be is said', (await analyst.locator('.nhsuk-error-summary').innerText()).includes('age'))
  await browser.close()
  process.exit(failed ? 1 : 0)
}
main().catch(error => { check('the journey ran to its end', false, error.stack); process.exit(1) })
