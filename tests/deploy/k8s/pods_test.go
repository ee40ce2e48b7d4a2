package k8s_test

import (
	"fmt"
	"slices"
	"strings"

	core "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/util/intstr"
	security "k8s.io/pod-security-admission/api"
	"k8s.io/pod-security-admission/policy"
)

// checkSecurity holds every pod against the Pod Security Standards, by the code of Kubernetes itself: against the one
// that its namespace enforces, and against the restricted one, of which only ports of the node are forgiven.
func checkSecurity(m manifests) (findings []string) {
	evaluator, err := policy.NewEvaluator(policy.DefaultChecks(), nil)
	if err != nil {
		return []string{err.Error()}
	}
	pods := overrides(m)
	for _, w := range workloads(m) {
		pods[w.name] = w.pod
		findings = append(findings, checkPrivileges(w)...)
	}
	namespace := all[*core.Namespace](m)[0]
	enforced := security.Level(namespace.Labels[security.EnforceLevelLabel])
	if !enforced.Valid() {
		findings = append(findings, fmt.Sprintf("namespace %s enforces nothing", namespace.Name))
	}
	for name, pod := range pods {
		for _, level := range []security.Level{enforced, security.LevelRestricted} {
			version := security.LevelVersion{Level: level, Version: security.LatestVersion()}
			for _, result := range evaluator.EvaluatePod(version, &pod.ObjectMeta, &pod.Spec) {
				forgiven := level != enforced && result.ForbiddenReason == "hostPort"
				if !result.Allowed && !forgiven {
					findings = append(findings, fmt.Sprintf("%s: %s: %s: %s",
						name, level, result.ForbiddenReason, result.ForbiddenDetail))
				}
			}
		}
	}
	return findings
}

// checkPrivileges is what no standard asks for.
func checkPrivileges(w workload) (findings []string) {
	if token := w.pod.Spec.AutomountServiceAccountToken; token == nil || *token {
		findings = append(findings, w.name+": it gets a token of the API server and needs none")
	}
	if links := w.pod.Spec.EnableServiceLinks; links == nil || *links {
		findings = append(findings, w.name+": variables of all services are put into its environment")
	}
	for _, c := range w.pod.Spec.Containers {
		if c.SecurityContext == nil || c.SecurityContext.ReadOnlyRootFilesystem == nil ||
			!*c.SecurityContext.ReadOnlyRootFilesystem {
			findings = append(findings, w.name+": its root filesystem can be written to")
		}
	}
	return findings
}

var securitySpoils = []spoil{
	{"privilege escalation", "", "allowPrivilegeEscalation", func(m *manifests) {
		containerOf(m, "wrapper").SecurityContext.AllowPrivilegeEscalation = nil
	}},
	{"root", "", "runAsNonRoot", func(m *manifests) { podsOf(m, "restapi").Spec.SecurityContext.RunAsNonRoot = nil }},
	{"capabilities", "", "capabilities", func(m *manifests) {
		containerOf(m, "mediaserver").SecurityContext.Capabilities = nil
	}},
	{"seccomp", "", "seccomp", func(m *manifests) { podsOf(m, "doctor").Spec.SecurityContext.SeccompProfile = nil }},
	{"host network", "", "host namespaces", func(m *manifests) { podsOf(m, "mediaserver").Spec.HostNetwork = true }},
	{"host ports in a namespace that forbids them", "", "restricted: hostPort", func(m *manifests) {
		all[*core.Namespace](*m)[0].Labels[security.EnforceLevelLabel] = "restricted"
	}},
	{"namespace that enforces nothing", "", "enforces nothing", func(m *manifests) {
		delete(all[*core.Namespace](*m)[0].Labels, security.EnforceLevelLabel)
	}},
	{"container that an operator makes", "", "rabbitmq: restricted: unrestricted capabilities", func(m *manifests) {
		for _, custom := range customResources(*m) {
			unstructured.RemoveNestedField(custom.Object, "spec", "override", "statefulSet", "spec", "template", "spec",
				"initContainers")
		}
	}},
	{"token", "", "token", func(m *manifests) { podsOf(m, "wrapper").Spec.AutomountServiceAccountToken = nil }},
	{"service links", "", "all services", func(m *manifests) { podsOf(m, "wrapper").Spec.EnableServiceLinks = nil }},
	{"writable root", "dev", "mongodb: its root", func(m *manifests) {
		containerOf(m, "mongodb").SecurityContext.ReadOnlyRootFilesystem = nil
	}},
}

// checkResources: every container says what it needs, none is limited in CPU, which would be jitter, and the garbage
// collector knows of the limit of memory before the kernel does.
func checkResources(m manifests) (findings []string) {
	for _, w := range workloads(m) {
		for _, c := range w.pod.Spec.Containers {
			requests, limits := c.Resources.Requests, c.Resources.Limits
			if requests.Cpu().IsZero() || requests.Memory().IsZero() || limits.Memory().IsZero() {
				findings = append(findings, w.name+": requests of CPU and memory and a limit of memory are needed")
			}
			if limits.Memory().Cmp(*requests.Memory()) < 0 {
				findings = append(findings, w.name+": it requests more memory than its limit")
			}
			if !limits.Cpu().IsZero() {
				findings = append(findings, w.name+": a limit of CPU throttles it")
			}
			if ours(c) && w.server {
				findings = append(findings, checkMemoryLimit(w.name, c)...)
			}
		}
	}
	return findings
}

func checkMemoryLimit(name string, c core.Container) []string {
	for _, variable := range c.Env {
		if variable.Name != "GOMEMLIMIT" {
			continue
		}
		var mebibytes int64
		if _, err := fmt.Sscanf(variable.Value, "%dMiB", &mebibytes); err != nil {
			return []string{fmt.Sprintf("%s: GOMEMLIMIT=%s", name, variable.Value)}
		}
		share := float64(mebibytes<<20) / c.Resources.Limits.Memory().AsApproximateFloat64()
		if share < 0.8 || share > 0.92 {
			return []string{fmt.Sprintf("%s: GOMEMLIMIT is %.2f of the limit, not between 0.8 and 0.92", name, share)}
		}
		return nil
	}
	return []string{name + ": GOMEMLIMIT is missing"}
}

var resourcesSpoils = []spoil{
	{"no request", "", "requests of CPU", func(m *manifests) { containerOf(m, "restapi").Resources.Requests = nil }},
	{"no limit", "dev", "limit of memory", func(m *manifests) { containerOf(m, "rabbitmq").Resources.Limits = nil }},
	{"limit of CPU", "", "throttles", func(m *manifests) {
		r := containerOf(m, "mediaserver").Resources
		r.Limits[core.ResourceCPU] = r.Requests[core.ResourceCPU]
	}},
	{"limit below the request", "", "more memory than its limit", func(m *manifests) {
		r := containerOf(m, "wrapper").Resources
		r.Limits[core.ResourceMemory] = *r.Requests.Cpu()
	}},
	{"limit that the collector does not know", "", "GOMEMLIMIT is missing", func(m *manifests) {
		dropVariable(containerOf(m, "wrapper"), "GOMEMLIMIT")
	}},
	{"limit changed alone", "", "GOMEMLIMIT is", func(m *manifests) {
		r := containerOf(m, "wrapper").Resources
		r.Limits[core.ResourceMemory] = r.Requests[core.ResourceMemory]
	}},
}

func dropVariable(c *core.Container, name string) {
	c.Env = slices.DeleteFunc(c.Env, func(v core.EnvVar) bool { return v.Name == name })
}

// checkProbes: every server has all three, by the names of its ports; what restarts a process never looks at more than
// the process, or an outage of the broker would restart the fleet.
func checkProbes(m manifests) (findings []string) {
	for _, w := range workloads(m) {
		if !w.server {
			continue
		}
		for _, c := range w.pod.Spec.Containers {
			for kind, probe := range map[string]*core.Probe{
				"startup": c.StartupProbe, "liveness": c.LivenessProbe, "readiness": c.ReadinessProbe,
			} {
				if probe == nil {
					findings = append(findings, fmt.Sprintf("%s: %s probe is missing", w.name, kind))
					continue
				}
				findings = append(findings, checkProbe(w.name+": "+kind+" probe", kind, c, probe)...)
			}
		}
	}
	return findings
}

func checkProbe(what, kind string, c core.Container, probe *core.Probe) (findings []string) {
	var port intstr.IntOrString
	switch {
	case probe.HTTPGet != nil:
		port = probe.HTTPGet.Port
		if path := map[string]string{"readiness": "/readyz"}[kind]; probe.HTTPGet.Path != orElse(path, "/healthz") {
			findings = append(findings, fmt.Sprintf("%s asks for %s", what, probe.HTTPGet.Path))
		}
	case probe.TCPSocket != nil:
		port = probe.TCPSocket.Port
	case probe.Exec != nil && kind != "liveness":
		return nil
	default:
		return []string{what + " asks for nothing"}
	}
	if ours(c) && probe.HTTPGet == nil {
		findings = append(findings, what+" does not ask the program")
	}
	if !slices.ContainsFunc(c.Ports, func(p core.ContainerPort) bool { return p.Name == port.StrVal }) {
		findings = append(findings, fmt.Sprintf("%s: port %q is none of the container's names", what, port.String()))
	}
	if kind == "liveness" && probe.PeriodSeconds*probe.FailureThreshold < 60 {
		findings = append(findings, what+": a process that is busy for less than a minute is killed")
	}
	return findings
}

func orElse(s, other string) string {
	if s == "" {
		return other
	}
	return s
}

var probesSpoils = []spoil{
	{"liveness by readiness", "", "liveness probe asks for /readyz", func(m *manifests) {
		containerOf(m, "restapi").LivenessProbe.HTTPGet.Path = "/readyz"
	}},
	{"startup by readiness", "", "startup probe asks for /readyz", func(m *manifests) {
		containerOf(m, "wrapper").StartupProbe.HTTPGet.Path = "/readyz"
	}},
	{"readiness by liveness", "", "readiness probe asks for /healthz", func(m *manifests) {
		containerOf(m, "wrapper").ReadinessProbe.HTTPGet.Path = "/healthz"
	}},
	{"no probe", "dev", "mongodb: readiness probe is missing", func(m *manifests) {
		containerOf(m, "mongodb").ReadinessProbe = nil
	}},
	{"port of nobody", "", "none of the container's names", func(m *manifests) {
		containerOf(m, "mediaserver").LivenessProbe.HTTPGet.Port = intstr.FromString("http")
	}},
	{"port by number", "", "none of the container's names", func(m *manifests) {
		containerOf(m, "mediaserver").LivenessProbe.HTTPGet.Port = intstr.FromInt32(8888)
	}},
	{"only the socket", "", "does not ask the program", func(m *manifests) {
		containerOf(m, "wrapper").LivenessProbe.ProbeHandler = core.ProbeHandler{
			TCPSocket: &core.TCPSocketAction{Port: intstr.FromString("http")},
		}
	}},
	{"impatience", "", "busy for less than a minute", func(m *manifests) {
		containerOf(m, "mediaserver").LivenessProbe.FailureThreshold = 1
	}},
}

// checkImages: every image is one that stays the same.
func checkImages(m manifests) (findings []string) {
	images := map[string]string{}
	for _, w := range workloads(m) {
		for _, c := range w.pod.Spec.Containers {
			images[w.name] = c.Image
		}
	}
	for _, custom := range customResources(m) {
		if custom.GetKind() == "RabbitmqCluster" {
			spec, _ := custom.Object["spec"].(map[string]any)
			images["rabbitmq"], _ = spec["image"].(string)
		}
	}
	for name, image := range images {
		_, tag, _ := strings.Cut(image[strings.LastIndex(image, "/")+1:], ":")
		if tag == "" || strings.HasPrefix(tag, "latest") {
			findings = append(findings, fmt.Sprintf("%s: image %q is not one version", name, image))
		}
	}
	return findings
}

var imagesSpoils = []spoil{
	{"latest", "", "restapi: image", func(m *manifests) { containerOf(m, "restapi").Image = "ghcr.io/x/orkestro:latest" }},
	{"no tag", "", "mediaserver: image", func(m *manifests) { containerOf(m, "mediaserver").Image = "h:5000/orkestro" }},
	{"the broker's", "", "rabbitmq: image", func(m *manifests) {
		for _, custom := range customResources(*m) {
			if custom.GetKind() == "RabbitmqCluster" {
				custom.Object["spec"].(map[string]any)["image"] = "rabbitmq"
			}
		}
	}},
}
