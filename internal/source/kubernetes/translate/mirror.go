package translate

// maxCopied bounds the bodies that are copied, whatever an Ingress lets in.
const maxCopied = 16 << 20

// mirrored has copies of requests sent elsewhere: of those that are not refused, and before anything is rewritten.
func (d *draft) mirrored() {
	m := &d.set.Mirror
	if m.URL == "" {
		return
	}
	most := d.set.Buffers.BodySize
	if most <= 0 || most > maxCopied {
		most = maxCopied
	}
	d.filter("mirror", settings{"targets": []settings{{"url": m.URL, "host": m.Host}}, "withoutBody": m.NoBody, "maxBody": most, "loopback": d.store.opt.Loopback,
		"credentials": true}) // as ingress-nginx has it
}
