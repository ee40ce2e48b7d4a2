package k8s_test

import (
	"fmt"
	"time"

	apps "k8s.io/api/apps/v1"
	autoscaling "k8s.io/api/autoscaling/v2"
	core "k8s.io/api/core/v1"
	policy "k8s.io/api/policy/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/labels"
	"k8s.io/apimachinery/pkg/util/intstr"
)

// group is pods that a budget can protect.
type group struct {
	labels   labels.Set
	replicas int32 // the least that there may be of them on purpose
}

func groups(m manifests) map[string]group {
	found := map[string]group{}
	for _, d := range all[*apps.Deployment](m) {
		least := int32(1)
		if scaler := named[*autoscaling.HorizontalPodAutoscaler](m, d.Name); scaler != nil && scaler.Spec.MinReplicas != nil {
			least = *scaler.Spec.MinReplicas
		}
		found[d.Name] = group{d.Spec.Template.Labels, least}
	}
	for _, s := range all[*apps.StatefulSet](m) {
		found[s.Name] = group{s.Spec.Template.Labels, *s.Spec.Replicas}
	}
	for name, set := range operated(m) {
		for _, custom := range customResources(m) {
			if custom.GetName() == name {
				found[name] = group{set, operatedReplicas(custom)}
			}
		}
	}
	return found
}

func operatedReplicas(custom *unstructured.Unstructured) int32 {
	spec, _ := custom.Object["spec"].(map[string]any)
	for _, name := range []string{"replicas", "members"} {
		if n, ok := spec[name].(float64); ok {
			return int32(n)
		}
	}
	return 0
}

// checkBudgets: whatever there are several of is protected against an eviction of all, and can still be evicted one by
// one, or no node could ever be emptied.
func checkBudgets(m manifests) (findings []string) {
	protected := map[string]int{}
	for _, budget := range all[*policy.PodDisruptionBudget](m) {
		matched := 0
		for name, g := range groups(m) {
			if !selects(budget.Spec.Selector, g.labels) {
				continue
			}
			matched++
			protected[name]++
			if spec := budget.Spec; !leavesProgress(spec, g.replicas) {
				findings = append(findings, fmt.Sprintf("%s: of %d, none may be evicted", name, g.replicas))
			} else if !keepsSome(spec, g.replicas) {
				findings = append(findings, fmt.Sprintf("%s: all %d may be evicted at once", name, g.replicas))
			}
		}
		if matched != 1 {
			findings = append(findings, fmt.Sprintf("budget %s protects %d groups of pods", budget.Name, matched))
		}
	}
	for name, g := range groups(m) {
		if g.replicas > 1 && protected[name] != 1 {
			findings = append(findings, fmt.Sprintf("%s has %d budgets", name, protected[name]))
		}
	}
	return findings
}

func leavesProgress(spec policy.PodDisruptionBudgetSpec, replicas int32) bool {
	if spec.MaxUnavailable != nil {
		return spec.MaxUnavailable.Type == intstr.Int && spec.MaxUnavailable.IntVal > 0
	}
	return spec.MinAvailable != nil && spec.MinAvailable.Type == intstr.Int && spec.MinAvailable.IntVal < replicas
}

func keepsSome(spec policy.PodDisruptionBudgetSpec, replicas int32) bool {
	if spec.MaxUnavailable != nil {
		return spec.MaxUnavailable.IntVal < replicas
	}
	return spec.MinAvailable.IntVal > 0
}

var budgetsSpoils = []spoil{
	{"none", "", "restapi has 0 budgets", func(m *manifests) {
		without(m, func(o object) bool { _, is := o.(*policy.PodDisruptionBudget); return is && o.GetName() == "restapi" })
	}},
	{"of nobody", "", "budget mongodb protects 0", func(m *manifests) {
		named[*policy.PodDisruptionBudget](*m, "mongodb").Spec.Selector.MatchLabels["app"] = "mongodb"
	}},
	{"no progress", "", "of 3, none may be evicted", func(m *manifests) {
		spec := &named[*policy.PodDisruptionBudget](*m, "wrapper").Spec
		three := intstr.FromInt32(3)
		spec.MaxUnavailable, spec.MinAvailable = nil, &three
	}},
	{"no progress either", "", "of 4, none may be evicted", func(m *manifests) {
		named[*policy.PodDisruptionBudget](*m, "mediaserver").Spec.MaxUnavailable.IntVal = 0
	}},
	{"no protection", "", "all 3 may be evicted", func(m *manifests) {
		named[*policy.PodDisruptionBudget](*m, "wrapper").Spec.MaxUnavailable.IntVal = 3
	}},
}

// checkScaling: a Deployment has its number of replicas from its autoscaler alone, two at least, and gives up replicas
// slowly.
func checkScaling(m manifests) (findings []string) {
	for _, d := range all[*apps.Deployment](m) {
		if d.Spec.Replicas != nil {
			findings = append(findings, d.Name+": every apply would set the number of replicas")
		}
		scaler := named[*autoscaling.HorizontalPodAutoscaler](m, d.Name)
		if scaler == nil || scaler.Spec.ScaleTargetRef.Kind != "Deployment" || scaler.Spec.ScaleTargetRef.Name != d.Name {
			findings = append(findings, d.Name+": it has no autoscaler")
			continue
		}
		if scaler.Spec.MinReplicas == nil || *scaler.Spec.MinReplicas < 2 {
			findings = append(findings, d.Name+": one replica is none while it restarts")
		} else if scaler.Spec.MaxReplicas <= *scaler.Spec.MinReplicas {
			findings = append(findings, d.Name+": it cannot grow")
		}
		down := scaler.Spec.Behavior.ScaleDown
		if down == nil || down.StabilizationWindowSeconds == nil || *down.StabilizationWindowSeconds < 120 {
			findings = append(findings, d.Name+": it goes down as fast as up")
		}
		rolling := d.Spec.Strategy.RollingUpdate
		if rolling == nil || rolling.MaxUnavailable == nil || rolling.MaxUnavailable.IntValue() != 0 {
			findings = append(findings, d.Name+": an update takes replicas away before there are new ones")
		}
	}
	set := named[*apps.StatefulSet](m, "mediaserver")
	if set.Spec.UpdateStrategy.Type != apps.OnDeleteStatefulSetStrategyType {
		findings = append(findings, "mediaserver: an apply would restart servers with calls on them")
	}
	if set.Spec.PodManagementPolicy != apps.ParallelPodManagement {
		findings = append(findings, "mediaserver: one that drains for an hour would hold up the others")
	}
	return findings
}

var scalingSpoils = []spoil{
	{"replicas", "", "every apply would set", func(m *manifests) {
		named[*apps.Deployment](*m, "wrapper").Spec.Replicas = new(int32)
	}},
	{"no autoscaler", "", "restapi: it has no autoscaler", func(m *manifests) {
		named[*autoscaling.HorizontalPodAutoscaler](*m, "restapi").Spec.ScaleTargetRef.Name = "rest"
	}},
	{"one", "dev", "one replica is none", func(m *manifests) {
		*named[*autoscaling.HorizontalPodAutoscaler](*m, "restapi").Spec.MinReplicas = 1
	}},
	{"no growth", "", "it cannot grow", func(m *manifests) {
		named[*autoscaling.HorizontalPodAutoscaler](*m, "wrapper").Spec.MaxReplicas = 3
	}},
	{"no patience", "", "as fast as up", func(m *manifests) {
		*named[*autoscaling.HorizontalPodAutoscaler](*m, "wrapper").Spec.Behavior.ScaleDown.StabilizationWindowSeconds = 0
	}},
	{"gap in an update", "", "before there are new ones", func(m *manifests) {
		named[*apps.Deployment](*m, "restapi").Spec.Strategy.RollingUpdate.MaxUnavailable.IntVal = 1
	}},
	{"rolling media servers", "", "with calls on them", func(m *manifests) {
		named[*apps.StatefulSet](*m, "mediaserver").Spec.UpdateStrategy.Type = apps.RollingUpdateStatefulSetStrategyType
	}},
	{"one after the other", "", "hold up the others", func(m *manifests) {
		named[*apps.StatefulSet](*m, "mediaserver").Spec.PodManagementPolicy = apps.OrderedReadyPodManagement
	}},
}

const (
	// relocationTime is for what is left at the deadline of a drain: a move takes 15 s at most, several go on at once, and
	// a server that stops takes some more.
	relocationTime = 2 * time.Minute
	// replicaStop is what REST replicas and Wrappers take at most to stop, and replicaMargin what is on top of it.
	replicaStop   = 10 * time.Second
	replicaMargin = 5 * time.Second
)

// checkGrace: Kubernetes kills nobody who is still at what SIGTERM has begun.
func checkGrace(m manifests) (findings []string) {
	for name, least := range map[string]time.Duration{
		"mediaserver": setting(m, "mediaserver", "ORKESTRO_DRAIN_TIMEOUT") + relocationTime,
		"restapi":     setting(m, "restapi", "ORKESTRO_STOP_DELAY") + replicaStop + replicaMargin,
		"wrapper":     replicaStop + replicaMargin,
	} {
		grace := time.Duration(*podsOf(&m, name).Spec.TerminationGracePeriodSeconds) * time.Second
		if grace < least {
			findings = append(findings, fmt.Sprintf("%s: it is killed after %s and may need %s", name, grace, least))
		}
	}
	if setting(m, "restapi", "ORKESTRO_STOP_DELAY") < 2*time.Second {
		findings = append(findings, "restapi: it stops before the balancers know")
	}
	if c := podsOf(&m, "mediaserver").Spec.Containers[0]; c.Lifecycle != nil {
		findings = append(findings, "mediaserver: a hook takes of the time for the drain")
	}
	return findings
}

// setting is a duration among the settings of a service, 0 if it is not there or unreadable.
func setting(m manifests, service, name string) time.Duration {
	settings := named[*core.ConfigMap](m, service+"-settings")
	if settings == nil {
		return 0
	}
	value, err := time.ParseDuration(settings.Data[name])
	if err != nil {
		return 0
	}
	return value
}

var graceSpoils = []spoil{
	{"longer drain", "", "mediaserver: it is killed after 1h10m0s and may need 2h2m0s", func(m *manifests) {
		named[*core.ConfigMap](*m, "mediaserver-settings").Data["ORKESTRO_DRAIN_TIMEOUT"] = "2h"
	}},
	{"longer drain", "dev", "mediaserver: it is killed", func(m *manifests) {
		named[*core.ConfigMap](*m, "mediaserver-settings").Data["ORKESTRO_DRAIN_TIMEOUT"] = "4m"
	}},
	{"shorter grace", "", "restapi: it is killed", func(m *manifests) {
		*podsOf(m, "restapi").Spec.TerminationGracePeriodSeconds = 10
	}},
	{"no delay", "", "before the balancers know", func(m *manifests) {
		named[*core.ConfigMap](*m, "restapi-settings").Data["ORKESTRO_STOP_DELAY"] = "0s"
	}},
	{"hook", "", "a hook takes of the time", func(m *manifests) {
		containerOf(m, "mediaserver").Lifecycle = &core.Lifecycle{}
	}},
}
