package installation

import (
	"path"
	"slices"
	"strings"
)

// program is the name of the controller's program in its image.
const program = "nginx-ingress-controller"

// Controller tells whether a container runs the controller of ingress-nginx, by the program that it starts or by its image, and
// returns the arguments of that program. Copies of the image in other registries count, the images of its jobs do not.
func Controller(image string, command, args []string) ([]string, bool) {
	all := slices.Concat(command, args)
	if i := slices.IndexFunc(all, func(a string) bool { return path.Base(a) == program }); i >= 0 {
		return all[i+1:], true
	}
	if len(command) > 0 {
		return nil, false // it starts something else
	}
	repository, _, _ := strings.Cut(image, "@")
	last := repository[strings.LastIndexByte(repository, '/')+1:]
	name, _, _ := strings.Cut(last, ":")
	whole := strings.TrimSuffix(repository, last) + name
	is := strings.Contains(name, program) || strings.Contains(name, "ingress-nginx-controller") ||
		strings.HasSuffix(whole, "ingress-nginx/controller") || strings.HasSuffix(whole, "ingress-nginx/controller-chroot")
	if !is {
		return nil, false
	}
	return args, true
}
