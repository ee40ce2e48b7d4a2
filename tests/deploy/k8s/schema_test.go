package k8s_test

import (
	"encoding/json"
	"fmt"
	"maps"
	"os"
	"regexp"
	"slices"
	"strings"
	"testing"

	apps "k8s.io/api/apps/v1"
	core "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"sigs.k8s.io/yaml"
)

// schema is the part of a structural schema (OpenAPI v3, as of CustomResourceDefinitions) that says which objects are
// taken.
type schema struct {
	Type                 string             `json:"type"`
	Properties           map[string]*schema `json:"properties"`
	AdditionalProperties *schema            `json:"additionalProperties"`
	Items                *schema            `json:"items"`
	Required             []string           `json:"required"`
	Enum                 []any              `json:"enum"`
	Pattern              string             `json:"pattern"`
	Minimum              *float64           `json:"minimum"`
	IntOrString          bool               `json:"x-kubernetes-int-or-string"`
	Open                 bool               `json:"x-kubernetes-preserve-unknown-fields"`
}

// check is everything that is wrong with a value at path.
func (s *schema) check(path string, value any) []string {
	switch v := value.(type) {
	case map[string]any:
		return s.checkObject(path, v)
	case []any:
		if s.Items == nil {
			return s.checkOpen(path, "array")
		}
		var findings []string
		for i, item := range v {
			findings = append(findings, s.Items.check(fmt.Sprintf("%s[%d]", path, i), item)...)
		}
		return findings
	case string:
		return s.checkString(path, v)
	case float64:
		return s.checkNumber(path, v)
	case bool:
		return s.checkOpen(path, "boolean")
	}
	return []string{fmt.Sprintf("%s: %v", path, value)}
}

func (s *schema) checkOpen(path, kind string) []string {
	if s.Open || s.Type == kind {
		return nil
	}
	return []string{fmt.Sprintf("%s: %s, and not %s", path, kind, s.Type)}
}

func (s *schema) checkObject(path string, value map[string]any) []string {
	if s.Type != "object" {
		return s.checkOpen(path, "object")
	}
	var findings []string
	for _, name := range s.Required {
		if _, ok := value[name]; !ok {
			findings = append(findings, fmt.Sprintf("%s.%s is missing", path, name))
		}
	}
	for _, name := range slices.Sorted(maps.Keys(value)) {
		field := s.Properties[name]
		if field == nil {
			field = s.AdditionalProperties
		}
		switch {
		case field != nil:
			findings = append(findings, field.check(path+"."+name, value[name])...)
		case !s.Open && len(s.Properties) > 0:
			findings = append(findings, fmt.Sprintf("%s.%s: there is no such field", path, name))
		}
	}
	return findings
}

func (s *schema) checkString(path, value string) []string {
	if s.Type != "string" && !s.IntOrString {
		return s.checkOpen(path, "string")
	}
	if len(s.Enum) > 0 && !slices.Contains(s.Enum, any(value)) {
		return []string{fmt.Sprintf("%s: %q is none of %v", path, value, s.Enum)}
	}
	if s.Pattern != "" && !regexp.MustCompile(s.Pattern).MatchString(value) {
		return []string{fmt.Sprintf("%s: %q does not match %s", path, value, s.Pattern)}
	}
	return nil
}

func (s *schema) checkNumber(path string, value float64) []string {
	if s.Type != "integer" && s.Type != "number" && !s.IntOrString {
		return s.checkOpen(path, "number")
	}
	if s.Minimum != nil && value < *s.Minimum {
		return []string{fmt.Sprintf("%s: %v is less than %v", path, value, *s.Minimum)}
	}
	return nil
}

// checkCustom holds a custom resource against the schema that its operator publishes, and what of it is Kubernetes' own
// against Kubernetes' types.
func checkCustom(o map[string]any) error {
	custom := unstructured.Unstructured{Object: o}
	text, err := os.ReadFile("testdata/crd/" + strings.ToLower(custom.GetKind()) + ".yaml")
	if err != nil {
		return err
	}
	var published struct {
		APIVersion string `json:"apiVersion"`
		Schema     schema `json:"schema"`
	}
	if err := yaml.Unmarshal(text, &published); err != nil {
		return err
	}
	if published.APIVersion != custom.GetAPIVersion() {
		return fmt.Errorf("%s: the schema is of %s", custom.GetAPIVersion(), published.APIVersion)
	}
	if findings := published.Schema.check(custom.GetKind(), o); len(findings) > 0 {
		return fmt.Errorf("%s", strings.Join(findings, "\n"))
	}
	for path, own := range map[string]any{
		"spec.affinity":  &core.Affinity{},
		"spec.resources": &core.ResourceRequirements{},
		"spec.override.statefulSet.spec.template": &core.PodTemplateSpec{},
		"spec.statefulSet.spec":                   &apps.StatefulSetSpec{},
	} {
		value, found, err := unstructured.NestedFieldNoCopy(o, strings.Split(path, ".")...)
		if err != nil || !found {
			continue
		}
		text, err := json.Marshal(value)
		if err != nil {
			return err
		}
		if err := yaml.UnmarshalStrict(text, own); err != nil {
			return fmt.Errorf("%s: %w", path, err)
		}
	}
	return nil
}

func TestSchema_RefusesWhatAnOperatorWould(t *testing.T) {
	for name, spoil := range map[string]func(o map[string]any) error{
		"field of no type": func(o map[string]any) error {
			return unstructured.SetNestedField(o, float64(3), "spec", "replica")
		},
		"field of other type": func(o map[string]any) error {
			return unstructured.SetNestedField(o, "three", "spec", "replicas")
		},
		"number too small": func(o map[string]any) error {
			return unstructured.SetNestedField(o, float64(-1), "spec", "replicas")
		},
		"value of no enum": func(o map[string]any) error {
			return unstructured.SetNestedField(o, "Nobody", "spec", "service", "type")
		},
		"text that does not match": func(o map[string]any) error {
			return unstructured.SetNestedField(o, "much", "spec", "persistence", "storage")
		},
		"pod of no type": func(o map[string]any) error {
			return unstructured.SetNestedField(o, "x",
				"spec", "override", "statefulSet", "spec", "template", "spec", "priorityClass")
		},
	} {
		found := false
		for _, custom := range customResources(load(t, "production")) {
			if custom.GetKind() != "RabbitmqCluster" {
				continue
			}
			found = true
			if err := spoil(custom.Object); err != nil {
				t.Fatal(err)
			}
			if checkCustom(custom.Object) == nil {
				t.Errorf("%s: it is taken", name)
			}
		}
		if !found {
			t.Fatal("production has no RabbitmqCluster")
		}
	}
}

func TestSchema_MissesWhatIsRequired(t *testing.T) {
	for _, custom := range customResources(load(t, "production")) {
		if custom.GetKind() == "MongoDBCommunity" {
			unstructured.RemoveNestedField(custom.Object, "spec", "users")
			if checkCustom(custom.Object) == nil {
				t.Error("a MongoDBCommunity without users is taken")
			}
		}
	}
}
