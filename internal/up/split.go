package up

import (
	"context"
	"errors"
	"io"

	"paifang/internal/app"
)

func (p *Plan) runSplit(context.Context, io.Writer, app.Options) error { return errors.New("todo") }
