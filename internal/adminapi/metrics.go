package adminapi

import (
	"bytes"
	"io"
	"net/http"

	"paifang/internal/exposition"
)

// Meter writes the metrics of a process in the text format of Prometheus; meter.Meter is one.
type Meter interface {
	WriteMetrics(w io.Writer) error
}

func (s *Server) metrics(w http.ResponseWriter, r *http.Request) {
	if s.cfg.Meter == nil {
		notFound(w, r)
		return
	}
	var body bytes.Buffer
	if err := s.cfg.Meter.WriteMetrics(&body); err != nil {
		fail(w, http.StatusInternalServerError, err.Error())
		return
	}
	answer(w, http.StatusOK, exposition.ContentType, body.Bytes())
}
